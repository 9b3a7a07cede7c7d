"""Two runs side by side: every number again with plain SQL, the mirror image, and what cannot be compared."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from run_loop import app
from selfplay import config
from selfplay.compare import Reading, compare, read
from selfplay.comparison import Comparison, Versus
from selfplay.report.standings import Standing
from state.store import Store
from tests import scripted_loop
from tests.report.recount import STAGES, bonett_price, wilson

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs" / "comparing.md"
OTHER = ("benchmark.limit=24", "gate.alpha=0.3", "gate.curtail=true", "seed=1", "generate.codes=5")


@pytest.fixture(scope="module")
def _other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("other")
    scripted_loop.run(runs, "b", 1, overrides=OTHER, adapter_skill=0.9)
    with Store.open(runs / "b" / "run.db", read_only=True) as store:
        assert [turn.outcome for turn in store.rounds_overview()] == ["promoted"], "choose another skill"
    return runs


@pytest.fixture
def runs(promoted: Path, _other: Path) -> Path:
    """A runs folder with `a` (20 tasks, two rounds) and `b` (24 tasks, one round, other settings), both promoted."""
    shutil.copytree(_other / "b", promoted / "b")
    return promoted


def reading(runs: Path, name: str) -> Reading:
    with Store.open(runs / name / "run.db", read_only=True) as store:
        return read(store)


@pytest.fixture
def found(runs: Path) -> Comparison:
    return compare(reading(runs, "a"), reading(runs, "b"))


def sql(runs: Path, name: str, question: str, *values: object) -> list[tuple[Any, ...]]:
    """Ask a run's database, or change it."""
    with sqlite3.connect(runs / name / "run.db") as connection:
        return connection.execute(question, values).fetchall()


def command(*arguments: str, columns: int = 80) -> Result:
    return CliRunner().invoke(app, ["compare", *arguments], env={"COLUMNS": str(columns), "TERM": "dumb"})


def outcomes(runs: Path, name: str, *, champion: bool) -> dict[str, int]:
    """Return task -> passed, by plain SQL."""
    base = "SELECT model_sha256 FROM runs"
    leader = "SELECT candidate_id FROM promotions p JOIN rounds r ON r.id = p.round_id WHERE promoted ORDER BY number"
    weights = sql(runs, name, leader if champion else base)[-1][0]
    return dict(sql(runs, name, "SELECT task_id, passed FROM scores WHERE weights_id = ?", weights))


def two_sided(wins: int, losses: int) -> float:
    """McNemar's exact test."""
    n, extreme = wins + losses, max(wins, losses)
    return min(1.0, 2.0 * sum(math.comb(n, k) for k in range(extreme, n + 1)) / float(2**n))


# -- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("champion", [False, True])
def test_scores_and_differences_are_those_of_plain_sql(runs: Path, found: Comparison, champion: bool) -> None:
    (benchmark,) = found.benchmarks
    assert benchmark.name == "humaneval"
    assert benchmark.barred is None
    own, other = (outcomes(runs, name, champion=champion) for name in "ab")
    assert (len(own), len(other)) == (20, 24)
    for side, passed in ((benchmark.a, own), (benchmark.b, other)):
        scored = side.champion if champion else side.base
        assert scored is not None
        assert (scored.tasks, scored.frac) == (len(passed), sum(passed.values()) / len(passed))
        assert scored.interval == pytest.approx(wilson(sum(passed.values()), len(passed)))
        assert scored.complete
        assert side.selected
    versus = benchmark.champion if champion else benchmark.base
    assert versus is not None
    differences = [other[task] - own[task] for task in own.keys() & other.keys()]
    wins, losses = differences.count(1), differences.count(-1)
    assert (len(versus.won), len(versus.lost), versus.ties) == (wins, losses, 20 - wins - losses)
    assert set(versus.won) == {task for task in own if other[task] > own[task]}
    assert set(versus.lost) == {task for task in own if other[task] < own[task]}
    assert versus.difference == pytest.approx((wins - losses) / 20)
    assert versus.interval == pytest.approx(bonett_price(differences))
    assert versus.p_value == pytest.approx(two_sided(wins, losses))
    if champion:
        assert wins + losses, "the script plays differently: the two champions should differ"
    else:
        assert wins == losses == 0, "the script's base model answers alike in every run"


@pytest.mark.parametrize("name", ["a", "b"])
def test_pairs_and_cost_are_those_of_plain_sql(runs: Path, found: Comparison, name: str) -> None:
    side = found.a if name == "a" else found.b

    def one(question: str) -> Any:
        return sql(runs, name, question)[0][0]

    assert side.rounds == side.finished == one("SELECT count(*) FROM rounds")
    assert side.promoted == one("SELECT count(*) FROM rounds WHERE outcome = 'promoted'") == 1
    assert (side.abandoned, side.champion) == (0, 1)

    pairs = one("SELECT count(*) FROM pairs")
    by_round = sql(
        runs, name, "SELECT (SELECT count(*) FROM pairs p WHERE p.round_id = r.id) FROM rounds r ORDER BY number"
    )
    assert side.pairs.pairs == pairs > 0
    assert side.pairs.by_round == tuple(row[0] for row in by_round)
    totals = "sum(good), sum(inverted), sum(measured), sum(tests_right), sum(tests_measured)"
    question = f"SELECT {totals} FROM reliability WHERE rule = ?"  # noqa: S608
    ((good, inverted, measured, right, tests),) = sql(runs, name, question, side.pairs.rule)
    for share, count, of in (
        (side.pairs.good, good, measured),
        (side.pairs.inverted, inverted, measured),
        (side.pairs.tests_right, right, tests),
    ):
        assert share is not None
        assert (share.count, share.of, share.frac) == (count, of, count / of)
        assert share.interval == pytest.approx(wilson(count, of))

    cost = side.cost
    stages = dict(sql(runs, name, "SELECT name, sum(wall_s) FROM stages GROUP BY name"))
    assert list(cost.stages_s) == list(STAGES)
    assert cost.stages_s == pytest.approx(stages)
    assert cost.wall_s == pytest.approx(sum(stages.values()))
    assert cost.tokens == one("SELECT sum(tokens) FROM stages WHERE name IN ('code', 'tests', 'benchmark')")
    assert cost.executions == one("SELECT count(*) FROM executions")
    assert cost.s_per_pair == pytest.approx(cost.wall_s / pairs)
    assert cost.s_per_promotion == pytest.approx(cost.wall_s)
    assert cost.peak_bytes == one("SELECT max(peak_rss_bytes) FROM stages")


def test_memory_is_the_largest_of_all_stages(runs: Path) -> None:
    sql(runs, "a", "UPDATE stages SET peak_rss_bytes = 5 WHERE name = 'code'")
    sql(runs, "a", "UPDATE stages SET peak_rss_bytes = 7 WHERE name = 'train'")
    assert compare(reading(runs, "a"), reading(runs, "b")).a.cost.peak_bytes == 7


def test_what_differs_is_what_the_configs_and_rows_say(runs: Path, found: Comparison) -> None:
    a, b = (config.from_json(sql(runs, name, "SELECT config FROM runs")[0][0]) for name in "ab")
    settings = [each for each in found.aspects if each.group == "setting"]
    lines = [f"{each.name}: {json.dumps(each.a)} -> {json.dumps(each.b)}" for each in settings if not each.same]
    assert lines == config.diff(a, b)
    assert {line.partition(":")[0] for line in lines} == {"benchmark.limit", "seed", "generate.codes"}
    rest = {each.name: each for each in found.aspects if each.group != "setting"}
    assert not rest["problems and tasks"].same, "the number of tasks is part of the data"
    assert all(each.same for name, each in rest.items() if name != "problems and tasks")
    assert found.problems_in_both == rest["problems"].a == sql(runs, "a", "SELECT count(*) FROM problems")[0][0]


def test_another_package_host_version_and_problem_are_told(runs: Path) -> None:
    sql(runs, "b", """UPDATE runs SET packages = json_set(packages, '$.torch', '0'), code_version = 'x',
        host = json_set(host, '$.cpus', 999)""")  # fmt: skip
    sql(runs, "b", "UPDATE problems SET id = 'other' WHERE id = (SELECT max(id) FROM problems WHERE id NOT IN "
        "(SELECT problem_id FROM replies))")  # fmt: skip
    found = compare(reading(runs, "a"), reading(runs, "b"))
    differ = {(each.group, each.name) for each in found.aspects if not each.same and each.group != "setting"}
    wanted = {("code", "code version"), ("packages", "torch"), ("host", "cpus"), ("data", "problems")}
    assert differ == wanted | {("data", "problems and tasks")}
    count = next(each.a for each in found.aspects if each.name == "problems")
    assert isinstance(count, int)
    assert found.problems_in_both == count - 1


# -- the mirror -------------------------------------------------------------------------------------------------------


def with_outcomes(side: Reading, base: Mapping[str, float], champion: Mapping[str, float]) -> Reading:
    """Return a reading whose base model and champion have these outcomes."""
    (view,) = side.benchmarks
    standings = tuple(
        Standing(weights_id=str(number), round_number=number, outcomes=found, complete=True)
        for number, found in ((0, base), (1, champion))
        if found
    )
    return dataclasses.replace(side, benchmarks=(dataclasses.replace(view, standings=standings),))


def mirrored(found: Comparison) -> Comparison:
    """Return the comparison the other way round; of texts their words in order, with A and B exchanged."""

    def text(words: str | None) -> str | None:
        swapped = {"A": "B", "B": "A"}
        return (
            None if words is None else " ".join(sorted(swapped.get(word, word) for word in re.findall(r"\w+", words)))
        )

    def versus(one: Versus | None) -> Versus | None:
        if one is None:
            return None
        low, high = one.interval
        return dataclasses.replace(one, difference=-one.difference, interval=(-high, -low), won=one.lost, lost=one.won)

    return dataclasses.replace(
        found,
        a=found.b,
        b=found.a,
        aspects=tuple(dataclasses.replace(each, a=each.b, b=each.a) for each in found.aspects),
        only_a=found.only_b,
        only_b=found.only_a,
        benchmarks=tuple(
            dataclasses.replace(
                each,
                a=each.b,
                b=each.a,
                base=versus(each.base),
                champion=versus(each.champion),
                barred=text(each.barred),
                notes=tuple(str(text(note)) for note in each.notes),
            )
            for each in found.benchmarks
        ),
    )


def words_sorted(found: Comparison) -> Comparison:
    """Return the comparison with its texts as `mirrored` leaves them."""
    return mirrored(mirrored(found))


@pytest.fixture(scope="module")
def both(_promoted: Path, _other: Path) -> tuple[Reading, Reading]:
    return reading(_promoted, "a"), reading(_other, "b")


TASKS = [f"HumanEval/{number}" for number in range(24)]


@given(data=st.data())
def test_the_other_way_round_everything_is_mirrored(both: tuple[Reading, Reading], data: st.DataObject) -> None:
    samples = data.draw(st.integers(1, 3))
    shares = st.dictionaries(st.sampled_from(TASKS), st.integers(0, samples).map(lambda passed: passed / samples))
    section = {"samples": samples}
    sides = []
    for side in both:
        settings = side.settings.model_copy(update={"benchmark": side.settings.benchmark.model_copy(update=section)})
        drawn = with_outcomes(side, data.draw(shares), data.draw(shares))
        sides.append(dataclasses.replace(drawn, settings=settings))
    a, b = sides
    assert words_sorted(compare(b, a)) == mirrored(compare(a, b))


@given(shares=st.dictionaries(st.sampled_from(TASKS[:20]), st.integers(0, 1).map(float), min_size=1))
def test_a_run_beside_itself_differs_in_nothing(both: tuple[Reading, Reading], shares: dict[str, float]) -> None:
    side = with_outcomes(both[0], shares, shares)
    found = compare(side, side)
    assert found.same_run
    assert all(aspect.same for aspect in found.aspects)
    assert found.a == found.b
    for versus in (found.benchmarks[0].base, found.benchmarks[0].champion):
        assert versus is not None
        assert (versus.difference, versus.p_value, versus.won, versus.lost) == (0, 1, (), ())
        assert versus.interval[0] == -versus.interval[1]


# -- what cannot be compared ------------------------------------------------------------------------------------------


def test_other_base_weights_give_a_reason_instead_of_a_number(runs: Path) -> None:
    side = reading(runs, "b")
    other = dataclasses.replace(side, run=dataclasses.replace(side.run, model_sha256="another"))
    (benchmark,) = compare(reading(runs, "a"), other).benchmarks
    assert benchmark.base is benchmark.champion is None
    assert str(benchmark.barred).startswith("the base models differ")
    assert benchmark.a.champion is not None, "each run's own score is still told"


def test_another_decoding_gives_a_reason_instead_of_a_number(runs: Path) -> None:
    a, b = reading(runs, "a"), reading(runs, "b")
    section = b.settings.benchmark.model_copy(update={"temperature": 0.7})
    other = dataclasses.replace(b, settings=b.settings.model_copy(update={"benchmark": section}))
    (benchmark,) = compare(a, other).benchmarks
    assert benchmark.base is benchmark.champion is None
    assert benchmark.barred == "the decoding differs: temperature (A 0.0, B 0.7)"


def test_a_task_with_another_text_or_test_does_not_count(runs: Path) -> None:
    sql(runs, "b", "UPDATE ground_truths SET task_sha256 = 'changed' WHERE task_id = 'HumanEval/3'")
    (benchmark,) = compare(reading(runs, "a"), reading(runs, "b")).benchmarks
    assert benchmark.champion is not None
    assert benchmark.champion.tasks == 19
    assert benchmark.notes == ("tasks not the same in both: 1 of A, 5 of B",)
    sql(runs, "b", "UPDATE ground_truths SET task_sha256 = 'changed'")
    (benchmark,) = compare(reading(runs, "a"), reading(runs, "b")).benchmarks
    assert (benchmark.champion, benchmark.barred) == (None, "no task is the same in both")


def test_a_task_that_one_host_could_not_score_does_not_count(runs: Path) -> None:
    sql(runs, "b", "UPDATE ground_truths SET passed = 0 WHERE task_id = 'HumanEval/3'")
    (benchmark,) = compare(reading(runs, "a"), reading(runs, "b")).benchmarks
    assert benchmark.champion is not None
    assert benchmark.champion.tasks == 19
    assert benchmark.notes == ("tasks not the same in both: 1 of A, 4 of B",)


def test_the_newest_host_says_which_tasks_there_are(runs: Path) -> None:
    sql(runs, "b", """INSERT INTO ground_truths SELECT id || 'old', benchmark, task_id, 'old', '{}', '2001', passed,
        status, detail, wall_s FROM ground_truths""")  # fmt: skip
    (benchmark,) = compare(reading(runs, "a"), reading(runs, "b")).benchmarks
    assert benchmark.champion is not None
    assert benchmark.champion.tasks == 20
    sql(runs, "b", "UPDATE ground_truths SET checked_at = '2999' WHERE host = '{}'")
    (benchmark,) = compare(reading(runs, "a"), reading(runs, "b")).benchmarks
    assert benchmark.champion is None


def test_several_samples_a_task_are_shares_of_it(runs: Path) -> None:
    sides = []
    for name, passed in (("a", (0, 1, 2)), ("b", (1, 2, 2))):
        side = reading(runs, name)
        section = side.settings.benchmark.model_copy(update={"samples": 2})
        shares = {task: count / 2 for task, count in zip(TASKS, passed, strict=False)}
        settings = side.settings.model_copy(update={"benchmark": section})
        sides.append(dataclasses.replace(with_outcomes(side, shares, shares), settings=settings))
    (benchmark,) = compare(*sides).benchmarks
    assert benchmark.champion is not None
    assert benchmark.champion.difference == pytest.approx(1 / 3)
    assert benchmark.champion.interval == pytest.approx(bonett_price([0.5, 0.5, 0.0]))
    assert benchmark.champion.p_value == 0.5


def test_a_round_that_has_not_selected_yet_does_not_count_for_pairs_a_round(runs: Path) -> None:
    sql(runs, "a", "DELETE FROM stages WHERE name = 'select' AND round_id = (SELECT id FROM rounds WHERE number = 2)")
    assert len(compare(reading(runs, "a"), reading(runs, "b")).a.pairs.by_round) == 1


def test_other_graders_are_told(runs: Path) -> None:
    sql(runs, "b", "UPDATE ground_truths SET host = json_set(host, '$.python', '2.7')")
    (benchmark,) = compare(reading(runs, "a"), reading(runs, "b")).benchmarks
    assert "graded on hosts that differ in python" in benchmark.notes


def test_an_audit_benchmark_selected_nobody(runs: Path) -> None:
    sides = [reading(runs, name) for name in "ab"]
    audits = [
        dataclasses.replace(side, benchmarks=(dataclasses.replace(side.benchmarks[0], role="audit"),)) for side in sides
    ]
    (benchmark,) = compare(*audits).benchmarks
    assert not benchmark.a.selected
    assert not benchmark.b.selected
    (benchmark,) = compare(audits[0], sides[1]).benchmarks
    assert (benchmark.a.selected, benchmark.b.selected) == (False, True)


def test_a_benchmark_that_one_run_lacks_is_named_and_not_compared(runs: Path) -> None:
    a, b = reading(runs, "a"), reading(runs, "b")
    more = dataclasses.replace(a, benchmarks=(*a.benchmarks, dataclasses.replace(a.benchmarks[0], name="mbpp")))
    found = compare(more, b)
    assert (found.only_a, found.only_b, len(found.benchmarks)) == (("mbpp",), (), 1)


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_picture_fits_and_has_every_part(runs: Path) -> None:
    done = command("a", "b", "--runs-dir", str(runs))
    assert done.exit_code == 0, done.output
    lines = [line.rstrip() for line in done.output.splitlines()]
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in done.output
    assert done.output.isascii()
    assert "   2 of 2 rounds finished, 1 promoted; champion: the adapter of round 1" in lines
    assert "generate.codes      4             5" in lines
    assert re.search(r"^champion: \d+ won, \d+ lost, \d+ tied on 20 tasks; p = ", done.output, re.MULTILINE)
    assert "Optimistic: a champion was chosen for what it did on humaneval." in lines
    assert re.search(r"^time a promotion +\d", done.output, re.MULTILINE)


def test_the_same_run_twice_is_said_to_be_the_same(runs: Path) -> None:
    done = command("a", "a", "--runs-dir", str(runs))
    assert done.exit_code == 0
    assert "A and B are the same run." in done.output
    assert "champion: 0 won, 0 lost, 20 tied on 20 tasks; p = 1\n" in done.output
    assert "the same: all settings, code version, base weights" in done.output
    assert "Optimistic" not in done.output


def test_an_unknown_run_is_refused_with_the_known_ones(runs: Path) -> None:
    for names in (("a", "nobody"), ("nobody", "a")):
        done = command(*names, "--runs-dir", str(runs))
        assert done.exit_code == 2
        assert "there is no run 'nobody'" in done.stderr
        assert "there are a, b" in done.stderr


def test_a_run_without_scores_or_rounds_is_shown_with_what_it_has(runs: Path) -> None:
    sql(runs, "b", "DELETE FROM scores")
    done = command("a", "b", "--runs-dir", str(runs))
    assert done.exit_code == 0, done.output
    assert "scored in A alone: humaneval" in done.output
    assert "no benchmark has scores in both runs: nothing to compare" in done.output
    tables = ["pairs", "reliability", "train_steps", "promotions", "adapters", "matrices", "executions", "samples"]
    for table in [*tables, "replies", "stages", "rounds"]:
        sql(runs, "b", f"DELETE FROM {table}")  # noqa: S608
    done = command("a", "b", "--runs-dir", str(runs))
    assert done.exit_code == 0, done.output
    assert "   no round has begun; champion: the base model" in done.output


def test_an_unfinished_run_is_compared_as_far_as_it_is(runs: Path) -> None:
    sql(runs, "a", "UPDATE rounds SET outcome = NULL, finished_at = NULL WHERE number = 2")
    sql(runs, "a", "DELETE FROM scores WHERE weights_id <> 'scripted' AND task_id > 'HumanEval/3'")
    done = command("a", "b", "--runs-dir", str(runs))
    assert done.exit_code == 0, done.output
    assert "1 of 2 rounds finished, round 2 is open, 1 promoted" in done.output
    left = len(outcomes(runs, "a", champion=True))
    assert 0 < left < 20
    assert f"tied on {left} tasks; p = " in done.output
    assert f"A's champion has outcomes of {left} tasks only" in done.output


def test_json_has_every_number_under_documented_keys(runs: Path, found: Comparison) -> None:
    done = command("a", "b", "--json", "--runs-dir", str(runs))
    assert done.exit_code == 0
    written = json.loads(done.output)
    assert written == json.loads(json.dumps(dataclasses.asdict(found)))
    documented = DOCS.read_text()
    keys = set(re.findall(r'"(\w+)": ', json.dumps({**written, "aspects": written["aspects"][:1]})))
    assert {key for key in keys - set(STAGES) if f"`{key}`" not in documented} == set()
