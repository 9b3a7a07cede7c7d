"""Trying a run's weights on one prompt: who answers what, what the tests say, and what is left of it on disk."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock, Timeout
from rich.console import Console
from typer.testing import CliRunner

from run_loop import app
from selfplay import trial
from selfplay.benchmark_task import Task
from selfplay.config import Config
from selfplay.engines import Weights
from selfplay.generate import Answer, Request, VllmGenerator
from selfplay.models import ModelFiles
from selfplay.session import Session
from selfplay.trial import Reply, Trial, Wanted, try_prompt
from selfplay.trial_view import render_trial
from state.records import Adapter, Pair, Problem
from state.store import Store
from tests.script import BASE, Script
from tests.scripted_loop import ScriptedProcess, merge, write_model
from tests.test_generate import ScriptedEngine

Ending = Callable[[Weights], VllmGenerator]


class Noted(ScriptedProcess):
    """Notes what it is asked."""

    requests: list[Request]

    def generate(
        self, requests: Sequence[Request], on_progress: Callable[[int], None] | None = None
    ) -> Iterator[Answer]:
        self.requests.extend(requests)
        return super().generate(requests, on_progress)


class Scripted:
    """The product's seams with a scripted model behind them, which notes what it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.model, self.started, self.scratch = folder, list[Weights](), list[Path]()
        self.requests: list[Request] = []
        write_model(folder)

    def find_model(self, _settings: Config, _console: Console) -> ModelFiles:
        return ModelFiles(folder=self.model, sha256=BASE, source="script", licence=None)

    def problems(self, session: Session, scratch: Path) -> Ending:
        """Serve a model that knows the run's problems."""
        known = Script.of(session.store.all(Problem), dict[str, tuple[Task, ...]](), adapter_skill=1.0, delay_s=0.0)
        replace(known, skills={BASE: 0.0}).write(self.model)

        def start(weights: Weights) -> VllmGenerator:
            self._note(session, weights, scratch)
            generator = Noted(session, weights)
            generator.requests = self.requests
            return generator

        return start

    def echo(self, session: Session, scratch: Path) -> Ending:
        """Serve a model that says what it hears."""
        (self.model / "script.json").write_text(json.dumps([{"die_after": None, "how": ""}]))

        def start(weights: Weights) -> VllmGenerator:
            self._note(session, weights, scratch)
            log = session.folder / "logs" / "generate.log"
            return ScriptedEngine(self.model, None, session.config.generate, 512, log, self.model / "cache")

        return start

    def _note(self, session: Session, weights: Weights, scratch: Path) -> None:
        """Merge as `startup.vllm_generator` does."""
        self.started.append(weights)
        self.scratch.append(scratch)
        assert scratch.is_dir()
        with pytest.raises(Timeout):  # the run's lock is held
            FileLock(session.folder / "lock", timeout=0).acquire()
        if weights.adapter is not None and not (session.folder / "merged" / weights.id).exists():
            merge(scratch / weights.id)


@pytest.fixture
def model(tmp_path: Path) -> Scripted:
    return Scripted(tmp_path / "model")


def sql(runs: Path, question: str) -> list[tuple[str, ...]]:
    with sqlite3.connect(runs / "a" / "run.db") as connection:
        return connection.execute(question).fetchall()


def asked(runs: Path, model: Scripted, **wanted: object) -> Trial:
    """Return what comes of a command, and see that it leaves nothing behind."""
    before = files(runs)
    serve = model.problems if "problem" in wanted else model.echo
    found = trial._try("a", runs, Wanted(**wanted), model.find_model, serve)  # type: ignore[arg-type]
    assert files(runs) == before
    return found


def files(runs: Path) -> set[str]:
    """Return what is in a run's folder but logs and what SQLite and the lock need."""
    folder = runs / "a"
    paths = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    return {path for path in paths if not path.startswith(("logs/", "lock", "owner", "run.db-"))}


def first_problem(runs: Path) -> Problem:
    """Return a problem that has a pair, reference and reference tests."""
    with Store.open(runs / "a" / "run.db", read_only=True) as store:
        paired = {pair.problem_id for pair in store.all(Pair)}
        return next(each for each in store.all(Problem) if each.id in paired and each.reference_tests)


# -- who answers ------------------------------------------------------------------------------------------------------


def test_base_model_and_champion_are_asked_the_prompt_as_it_stands(promoted: Path, model: Scripted) -> None:
    found = asked(promoted, model, prompt="  tea\nor milk? ")
    ((champion,),) = sql(promoted, "SELECT candidate_id FROM promotions WHERE promoted")
    assert [weights.id for weights in model.started] == [BASE, champion]
    assert model.started[1].adapter == promoted / "a" / "adapters" / "round-0001"
    assert [reply.text for reply in found.replies] == ["  tea\nor milk?  0"] * 2
    assert found.same
    assert [reply.who for reply in found.replies] == [
        "base model", f"champion, adapter {champion[:8]} (round 1, promoted)",
    ]  # fmt: skip
    assert {(reply.tokens, reply.verdict, reply.passed) for reply in found.replies} == {(5, None, None)}


def test_where_the_base_model_leads_it_alone_is_asked(promoted: Path, model: Scripted) -> None:
    sql(promoted, "UPDATE promotions SET promoted = 0")
    found = asked(promoted, model, prompt="tea")
    assert [weights.id for weights in model.started] == [BASE]
    assert len(found.replies) == 1
    assert not found.same


def test_another_adapter_is_found_by_the_beginning_of_its_id(promoted: Path, model: Scripted) -> None:
    with Store.open(promoted / "a" / "run.db", read_only=True) as store:
        adapter = store.all(Adapter)[1]
    found = asked(promoted, model, prompt="tea", adapter=adapter.id[:6])
    assert model.started[1].id == adapter.id
    assert found.replies[1].who == f"adapter {adapter.id[:8]} (round 2, kept)"


def test_merged_weights_of_the_run_are_used_and_stay_and_others_go(promoted: Path, model: Scripted) -> None:
    ((champion,),) = sql(promoted, "SELECT candidate_id FROM promotions WHERE promoted")
    merged = promoted / "a" / "merged"
    left = merged / f"{trial.SCRATCH}killed"
    shutil.rmtree(merged)
    merged.mkdir()
    asked(promoted, model, prompt="tea")
    assert {scratch.parent for scratch in model.scratch} == {merged}
    assert not model.scratch[0].exists()
    (merged / champion).mkdir()
    left.mkdir()
    before = files(promoted)
    trial._try("a", promoted, Wanted(prompt="tea"), model.find_model, model.echo)
    assert before - files(promoted) == {f"merged/{left.name}"}, "what a killed one has left goes, the run's own stays"


def test_standard_input_is_a_prompt_and_a_temperature_comes_with_the_seed_of_the_run(
    promoted: Path, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql(promoted, "UPDATE runs SET config = json_set(config, '$.seed', 7)")
    monkeypatch.setattr(sys, "stdin", io.StringIO("milk\n"))
    found = asked(promoted, model, prompt="-", temperature=0.7, max_tokens=9)
    assert found.replies[0].text == "milk\n 0"
    assert (found.temperature, found.seed, found.max_tokens) == (0.7, 7, 9)
    found = asked(promoted, model, prompt="tea")
    assert (found.temperature, found.seed, found.max_tokens) == (0.0, None, 160)


# -- problems ---------------------------------------------------------------------------------------------------------


def test_a_problem_is_asked_in_the_words_of_training_and_its_tests_tell(promoted: Path, model: Scripted) -> None:
    problem = first_problem(promoted)
    ((prompt,),) = set(sql(promoted, f"SELECT prompt FROM pairs WHERE problem_id = '{problem.id}'"))  # noqa: S608
    found = asked(promoted, model, problem=problem.entry_point)
    assert {json.dumps(request.messages) for request in model.requests} == {prompt}
    assert {(each.n, each.temperature, each.top_p, each.seed) for each in model.requests} == {(1, 0.0, 1.0, None)}
    asked(promoted, model, problem=problem.entry_point, temperature=0.7)
    assert (model.requests[-1].temperature, model.requests[-1].top_p, model.requests[-1].seed) == (0.7, 0.95, 0)
    base, champion = found.replies
    assert (base.passed, champion.passed) == (False, True)
    count = len(json.loads(problem.reference_tests or "[]"))
    assert champion.verdict == f"passes the {count} reference tests"
    assert str(base.verdict).startswith(f"does not pass the {count} reference tests: ")


def test_an_answer_without_code_passes_nothing(promoted: Path, model: Scripted) -> None:
    problem = first_problem(promoted)
    found = trial._try("a", promoted, Wanted(problem=problem.id), model.find_model, model.echo)
    assert {(reply.passed, reply.verdict) for reply in found.replies} == {(False, "no code to test: syntax error")}


def test_a_problem_without_reference_tests_is_answered_and_not_judged(promoted: Path, model: Scripted) -> None:
    problem = first_problem(promoted)
    sql(promoted, f"UPDATE problems SET reference_tests = NULL WHERE id = '{problem.id}'")  # noqa: S608
    found = asked(promoted, model, problem=problem.id)
    assert found.replies[0].verdict is not None
    assert {reply.passed for reply in found.replies} <= {None, False}


# -- what is refused --------------------------------------------------------------------------------------------------


def command(runs: Path, *arguments: str, stdin: str | None = None) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["try", *arguments, "--run", "a", "--runs-dir", str(runs)], input=stdin)
    return done.exit_code, " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say what to ask"),
        (("tea", "--problem", "f"), "one of them"),
        (("  ",), "the prompt is empty"),
        (("-",), "the prompt is empty"),
        (("--problem", "nothing_like_it"), "no problem of the run has the entry point 'nothing_like_it'; there are "),
        (("tea", "--adapter", "zz"), "no adapter 'zz' that was trained; there are: round-1 ("),
    ],
)
def test_a_mistake_is_told_before_anything_is_started(promoted: Path, arguments: tuple[str, ...], said: str) -> None:
    code, message = command(promoted, *arguments, stdin="")
    assert code == 2
    assert said in message


def test_an_unknown_run_is_refused_and_no_folder_made(tmp_path: Path) -> None:
    assert command(tmp_path / "runs", "tea")[0] == 2
    assert not (tmp_path / "runs").exists()


def test_a_run_that_is_being_played_is_left_alone(promoted: Path, model: Scripted) -> None:
    (promoted / "a" / "owner").write_text(str(os.getpid()))
    with FileLock(promoted / "a" / "lock"):
        code, message = command(promoted, "tea")
    assert code == 2
    assert f"is being played by process {os.getpid()}" in message
    assert model.started == []


def test_other_base_weights_are_refused(promoted: Path, model: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    sql(promoted, "UPDATE runs SET model_sha256 = 'another'")
    code = try_prompt("a", promoted, Wanted(prompt="tea"), find_model=model.find_model, serve=model.echo)
    assert code == 2
    assert "are not those that run 'a' was played with" in " ".join(capsys.readouterr().err.split())


def test_a_damaged_adapter_is_no_candidate_for_anything(
    promoted: Path, model: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    (promoted / "a" / "adapters" / "round-0001" / "adapter_config.json").write_text("{}")
    code = try_prompt("a", promoted, Wanted(prompt="tea"), find_model=model.find_model, serve=model.echo)
    assert code == 3
    assert "has changed since it was trained" in " ".join(capsys.readouterr().err.split())


def test_a_model_that_cannot_be_served_ends_with_3_and_leaves_nothing(
    promoted: Path, model: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    def serve(session: Session, scratch: Path) -> Ending:
        start = model.echo(session, scratch)
        (model.model / "script.json").write_text(json.dumps([{"die_after": 0, "how": "unready"}]))
        return start

    before = files(promoted)
    code = try_prompt("a", promoted, Wanted(prompt="tea"), find_model=model.find_model, serve=serve)
    assert code == 3
    assert "no such architecture" in capsys.readouterr().err
    assert files(promoted) == before


# -- the picture ------------------------------------------------------------------------------------------------------

CODE = "Here it is:\n\n```python\ndef f(x):\n\treturn x\n```\n"
REPLIES = (
    Reply(who="base model", text=CODE, tokens=12, seconds=1.25, cut=False, verdict=None, passed=None),
    Reply(who="adapter 12", text="No\x1b[2J idea", tokens=1, seconds=0.5, cut=True, verdict="fails", passed=False),
)
TRIAL = Trial(
    run="first", model="m", title="tea\nor milk?", max_tokens=64, temperature=0.0, seed=None, replies=REPLIES
)  # fmt: skip


def picture(found: Trial, width: int, *, terminal: bool, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    console = Console(file=file, width=width, force_terminal=terminal, color_system="truecolor" if terminal else None)
    console.print(render_trial(found), soft_wrap=not terminal)
    file.flush()
    return raw.getvalue().decode(encoding)


def words(text: str) -> list[str]:
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()]


def test_on_a_wide_terminal_the_answers_stand_side_by_side() -> None:
    lines = words(picture(TRIAL, 120, terminal=True))
    assert any("base model  12 tokens in 1.2 s" in line and "adapter 12  1 token in 0.5 s" in line for line in lines)
    assert max(map(len, lines)) <= 120
    assert "```" not in "".join(lines), "the fence is drawn as colour"


def test_on_a_narrow_terminal_they_stand_one_below_the_other_in_colour() -> None:
    text = picture(TRIAL, 80, terminal=True)
    lines = words(text)
    assert lines.index("base model  12 tokens in 1.2 s") < lines.index("adapter 12  1 token in 0.5 s")
    assert re.search(r"\x1b\[[0-9;]+mdef", text), "code is highlighted"
    assert max(map(len, lines)) <= 80
    assert "\x1b[2J" not in text, "what a model writes does not move the cursor"


def test_in_a_pipe_the_answers_come_as_they_are_without_colour_or_line_breaks() -> None:
    long = replace(REPLIES[0], text="x" * 300 + "\n" + CODE)
    text = picture(replace(TRIAL, replies=(long, REPLIES[1])), 80, terminal=False)
    assert "\x1b" not in text
    assert "x" * 300 + "\nHere it is:\n\n```python\ndef f(x):\n    return x\n```\n" in text
    assert "asked: tea or milk?" in text
    assert "cut short: no end within 1 tokens; --max-tokens allows more" in text


def test_without_unicode_it_is_ascii() -> None:
    accents = replace(TRIAL, replies=(replace(REPLIES[0], text="caf\u00e9 \u2192"),))
    assert "caf? >" in picture(accents, 80, terminal=False, encoding="ascii")


def test_the_same_answer_is_shown_once_and_said_to_be_the_same() -> None:
    text = picture(replace(TRIAL, replies=(REPLIES[0], replace(REPLIES[1], text=CODE))), 80, terminal=False)
    assert "Both answers are the same." in text
    assert text.count("def f(x)") == 1
    assert "12 tokens" in text
    assert "1 token in" in text


def test_one_answer_is_said_to_be_the_base_models() -> None:
    text = picture(replace(TRIAL, replies=REPLIES[:1]), 80, terminal=False)
    assert "The champion is the base model: there is one answer." in text


def test_a_prompt_without_room_for_an_answer_is_told() -> None:
    none = replace(REPLIES[1], text="", tokens=0)
    assert "leaves no room for an answer" in picture(replace(TRIAL, replies=(none,)), 80, terminal=False)
