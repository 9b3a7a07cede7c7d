"""Rounds that cannot be brought to their end: abandoned, with the reason on record, and the next one begins."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.console import Console

from selfplay import commands
from selfplay.status import render_status
from state.records import Adapter, Pair, Problem, Promotion, Reply, Round, Run
from state.store import Store
from tests import faulty_loop
from tests.faults import outcomes, script, starts

TWO = "watchdog.starts=2"


def status(runs: Path) -> str:
    console = Console(width=1000, no_color=True)
    with Store.open(runs / "a" / "run.db", read_only=True) as store, console.capture() as captured:
        console.print(render_status(store.rounds_overview(), store.all(Run)[0], store.all(Problem)))
    return captured.get()


def test_a_training_that_hangs_every_time_costs_its_round_and_the_next_begins_from_the_champion(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    script(tmp_path, trainer=[(3, "hang"), (1, "hang"), (None, "")])
    assert faulty_loop.run(tmp_path, "a", 2, "none", TWO) == 0
    (first, reason), (second, _) = outcomes(tmp_path)
    assert (first, second) == ("abandoned", "kept")
    log = tmp_path / "a" / "logs" / "train-round-0001.log"
    assert re.fullmatch(
        rf"abandoned in train: worker tests\.faulty_worker said nothing for 3 s; its log {log} ends: waiting for \d+",
        reason,
    )
    assert f"round 1: {reason}" in status(tmp_path)
    assert re.search(r"^ +1 abandoned ", status(tmp_path), re.MULTILINE)
    assert "the end of its log:\nwaiting for" in caplog.text
    with Store.open(tmp_path / "a" / "run.db", read_only=True) as store:
        rounds = store.all(Round)
        assert [round_.champion_id for round_ in rounds] == [None, None]
        assert store.count(Pair, round_id=rounds[0].id) > 0
        assert [adapter.round_id for adapter in store.all(Adapter)] == [rounds[1].id]
        given_up, decided = store.all(Promotion)
        assert (given_up.p_value, given_up.alpha, given_up.promoted) == (None, decided.alpha, False)
    assert not (tmp_path / "a" / "work" / "round-0001").exists()
    before = outcomes(tmp_path)
    assert faulty_loop.run(tmp_path, "a", 2, "none", TWO) == 0
    assert outcomes(tmp_path) == before


def test_three_abandoned_rounds_in_a_row_stop_the_run_and_the_same_command_tries_the_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script(tmp_path, engine=[(1, "crash")])
    assert faulty_loop.run(tmp_path, "a", 5, "none", TWO) == commands.HOST
    assert [outcome for outcome, _ in outcomes(tmp_path)] == ["abandoned"] * 3
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: rounds 1 to 3 were abandoned one after the other, the last: abandoned in code: ")
    assert "CUDA error" in last
    assert "Mend that, and repeat the same command: it goes on with the round after them" in last
    assert len(starts(tmp_path, "engine")) == 6
    assert faulty_loop.run(tmp_path, "a", 5, "none", TWO) == commands.HOST
    assert [outcome for outcome, _ in outcomes(tmp_path)] == ["abandoned"] * 4


def test_a_model_that_has_never_written_a_word_stops_the_run_and_costs_no_round(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script(tmp_path, engine=[(-1, "crash")])
    assert faulty_loop.run(tmp_path, "a", 5, "none", TWO) == commands.HOST
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: worker tests.faulty_worker ended with status 1; its log ")
    assert outcomes(tmp_path) == [(None, "")]
    with Store.open(tmp_path / "a" / "run.db", read_only=True) as store:
        assert store.count(Reply) == 0
