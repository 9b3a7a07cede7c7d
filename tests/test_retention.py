"""What stays on disk: the policy, and a real run's folder."""

from __future__ import annotations

import dataclasses
import logging
import shutil
from logging.handlers import RotatingFileHandler
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay import commands, config
from selfplay.retention import backup_round, backups, rotate, to_remove
from selfplay.sections import Keep
from selfplay.session import check_same
from state import StoreError
from state.records import Adapter, Promotion, Round, Run
from state.store import Store
from tests import scripted_loop
from tests.state import rows

PROMOTING = ("problems.per_round=3", "generate.codes=6", "benchmark.limit=24", "gate.alpha=0.5", "gate.margin=0.5")
"""Settings under which the first candidate of the script becomes the champion."""
SKILL = 0.85


def adapters(paths: list[bool]) -> list[Adapter]:
    return [
        dataclasses.replace(rows.adapter(f"round{number}"), path=f"adapters/{number}" if path else None)
        for number, path in enumerate(paths)
    ]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=12), st.integers(0, 4))
def test_promoted_adapters_stay_and_of_the_others_the_newest(rounds: list[tuple[bool, bool]], keep: int) -> None:
    all_ = adapters([path for path, _ in rounds])
    promoted = {adapter.id for adapter, (_, won) in zip(all_, rounds, strict=True) if won}
    gone = to_remove(all_, promoted, keep)
    assert not {adapter.id for adapter in gone} & promoted
    stay = [a for a in all_ if a.path is not None and a.id not in promoted and a not in gone]
    assert len(stay) <= keep
    assert not gone or len(stay) == keep
    assert gone + stay == [a for a in all_ if a.path is not None and a.id not in promoted], "the newest stay"
    assert to_remove([dataclasses.replace(a, path=None) if a in gone else a for a in all_], promoted, keep) == []


def test_a_full_log_is_set_aside_and_the_oldest_parts_go(tmp_path: Path) -> None:
    log, keep = tmp_path / "generate.log", Keep(logs=2, log_bytes=1024)
    for number in range(5):
        log.write_text(str(number) * 1024)
        rotate(log, keep)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["generate.log.1", "generate.log.2"]
    assert (tmp_path / "generate.log.1").read_text()[0] == "4"
    log.write_text("short")
    rotate(log, keep)
    assert log.read_text() == "short"


def test_what_is_kept_may_change_while_the_run_goes_on() -> None:
    before = config.load("smoke")
    stored = Run(**{name: getattr(rows.run(), name) for name in Run.__dataclass_fields__} | {
        "config": config.to_json(before)
    })  # fmt: skip
    wanted = config.load("smoke", ["keep.rejected=0"])
    check_same(stored, wanted, stored.model_sha256, stored.data_sha256)
    with pytest.raises(Exception, match=r"train\.beta"):
        check_same(stored, config.load("smoke", ["train.beta=0.3"]), stored.model_sha256, stored.data_sha256)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of six rounds, the first of which promoted its candidate."""
    runs = tmp_path_factory.mktemp("played")
    settings = (*PROMOTING, "keep.rejected=1", "keep.logs=2", "keep.backups=2", "keep.log_bytes=2048")
    assert scripted_loop.run(runs, "a", 6, overrides=settings, adapter_skill=SKILL) == 0
    return runs / "a"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_lineage_and_the_newest_rejected_adapter_are_on_disk_and_every_row_says_so(played: Path) -> None:
    with Store.open(played / "run.db", read_only=True) as store:
        promoted = [promotion.candidate_id for promotion in store.all(Promotion, promoted=True)]
        trained = [adapter for adapter in store.all(Adapter) if adapter.sha256]
        number = {round_.id: round_.number for round_ in store.all(Round)}
    rejected = [adapter for adapter in trained if adapter.id not in promoted]
    assert promoted
    assert len(rejected) > 2, "or the test shows nothing"
    kept = [adapter for adapter in trained if adapter.id in promoted or adapter == rejected[-1]]
    assert [adapter.path for adapter in kept] == [f"adapters/round-{number[a.round_id]:04d}" for a in kept]
    assert [adapter.path for adapter in rejected[:-1]] == [None] * (len(rejected) - 1)
    assert names(played / "adapters") == sorted(Path(str(adapter.path)).name for adapter in kept)
    assert names(played / "work") == []


def test_status_and_verify_need_no_adapter(played: Path) -> None:
    assert commands.show_status("a", played.parent) == commands.verify_pairs("a", played.parent) == 0


def test_merged_weights_other_than_the_champions_are_gone(played: Path) -> None:
    with Store.open(played / "run.db", read_only=True) as store:
        champion = store.all(Promotion, promoted=True)[-1].candidate_id
    assert names(played / "merged") == [champion]


def test_logs_have_an_end(played: Path) -> None:
    assert names(played / "logs") == [
        "run.log", "run.log.1", "run.log.2", "train-round-0005.log", "train-round-0006.log",
    ]  # fmt: skip
    assert all(path.stat().st_size <= 2048 for path in (played / "logs").glob("run.log*"))


def test_the_newest_copies_of_the_database_are_kept(played: Path) -> None:
    assert [backup_round(path) for path in backups(played)] == [6, 5]
    with Store.open(backups(played)[0], read_only=True) as copy, Store.open(played / "run.db", read_only=True) as store:
        assert len(copy.all(Promotion)) == len(store.all(Promotion)) == 6


def test_no_other_user_can_read_anything_of_a_run(played: Path) -> None:
    generous = [str(path) for path in (played, *played.rglob("*")) if path.stat().st_mode & 0o077]
    assert generous == []


def test_a_kill_between_row_and_removal_leaves_files_that_the_next_start_removes(tmp_path: Path, played: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(played.parent, runs)
    folder = runs / "a"
    for name in ("adapters/round-0003", "adapters/round-0004.tmp", "work/round-0002", "merged/x.part"):
        (folder / name).mkdir()
    (folder / "adapters" / "round-0099").mkdir()  # of a round that the database does not know
    backups(folder)[0].unlink()
    folder.chmod(0o755)
    scripted_loop.run(runs, "a", 6, overrides=(*PROMOTING, "keep.rejected=0"), adapter_skill=SKILL)
    with Store.open(folder / "run.db", read_only=True) as store:
        promoted = {promotion.candidate_id for promotion in store.all(Promotion, promoted=True)}
        lineage = [Path(str(adapter.path)).name for adapter in store.all(Adapter) if adapter.id in promoted]
    assert names(folder / "adapters") == [*lineage, "round-0099"]
    assert names(folder / "work") == []
    assert len(names(folder / "merged")) == 1
    assert backup_round(backups(folder)[0]) == 6
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_run_whose_database_is_gone_is_not_begun_anew_over_its_copies(tmp_path: Path, played: Path) -> None:
    from selfplay.session import stored_run

    shutil.copytree(played, tmp_path / "a")
    (tmp_path / "a" / "run.db").unlink()
    with pytest.raises(StoreError, match="recover --run a"):
        stored_run(tmp_path / "a")


def test_a_finished_run_leaves_no_handler_behind(played: Path) -> None:
    assert played.exists()
    assert not [handler for handler in logging.getLogger().handlers if isinstance(handler, RotatingFileHandler)]
