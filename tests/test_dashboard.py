"""The picture is a function of the snapshot: printed to consoles of fixed size, then read for words."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import threading
import time

import pytest
from rich.console import Console, RenderableType

from selfplay import gate
from selfplay.dashboard import Dashboard, champion_rates, render
from selfplay.resources import GpuUsage, Usage
from selfplay.rounds_table import clean, duration, percent
from selfplay.snapshot import ChampionScore, JudgedProblem, Snapshot, StageLine, run_left_s
from selfplay.status import render_status
from state.overview import Comparison, RoundOverview, comparisons
from state.records import Problem, Run

GIB = 2**30
STAGES = (
    StageLine(name="problems", state="done", done=32, total=32, unit="problems", wall_s=0.2),
    StageLine(
        name="code", state="running", done=8, total=32, unit="problems", rate="142 tokens/s", left_s=200, wall_s=60
    ),
    StageLine(name="tests", state="pending"),
    StageLine(name="judge", state="running", done=3, unit="problems", wall_s=61.0),
    StageLine(name="select", state="pending"),
    StageLine(name="train", state="pending"),
    StageLine(name="benchmark", state="pending"),
    StageLine(name="gate", state="pending"),
)


def comparison(name: str = "humaneval", *, role: str = "gate") -> Comparison:
    return Comparison(
        benchmark=name, role=role, tasks=164, champion_frac=0.555, candidate_frac=0.585, interval=(-0.012, 0.074)
    )


def turn(number: int, outcome: str | None = "kept", *compared: Comparison) -> RoundOverview:
    return RoundOverview(
        number=number, outcome=outcome, judged=32, codes=201, tests=240, executions=3402, selected=True, pairs=14,
        measured=9, good=5, inverted=1, loss=0.6123, comparisons=compared or (comparison(),),
        reason=f"reason of round {number}", wall_s=1834.2,
    )  # fmt: skip


OPEN = RoundOverview(
    number=9, outcome=None, judged=18, codes=90, tests=80, executions=700, selected=False, pairs=0,
    measured=None, good=None, inverted=None, loss=None, comparisons=(), reason=None, wall_s=0.0,
)  # fmt: skip

USAGE = Usage(cpu_cores=1.87, cores=2, memory_bytes=5 * GIB, total_bytes=16 * GIB, processes=9)

SNAPSHOT = Snapshot(
    run="first",
    model="qwen2.5-coder-0.5b",
    preset="cpu",
    round_number=9,
    rounds=12,
    elapsed_s=94321,
    sandbox_level="bwrap",
    stages=STAGES,
    overviews=(*(turn(number, "promoted" if number == 5 else "kept") for number in range(1, 9)), OPEN),
    champion="round 5",
    champion_scores=(
        ChampionScore(benchmark="humaneval", passed_frac=0.585, tasks=164),
        ChampionScore(benchmark="mbpp", passed_frac=0.41, tasks=257, left_out=1, role="audit"),
    ),
    usage=USAGE,
    peak_bytes=6 * GIB,
    log=tuple(f"12:00:0{number} INFO line {number}" for number in range(6)),
)

RUN = Run(
    id="run", name="first", created_at="2026-11-02T10:00:30+00:00", config="{}", code_version="0.1.0", packages="{}",
    host="{}", model="smollm2-135m", model_sha256="", data_sha256="", rounds=None,
)  # fmt: skip


def picture(what: RenderableType, width: int = 80, height: int = 24, encoding: str = "utf-8") -> list[str]:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    console = Console(file=file, width=width, height=height, color_system=None, legacy_windows=False)
    console.print(what)
    file.seek(0)
    return [line.rstrip() for line in file.read().splitlines()]


def change(**values: object) -> Snapshot:
    return dataclasses.replace(SNAPSHOT, **values)  # type: ignore[arg-type]


def line_with(words: str, lines: list[str]) -> str:
    (found,) = [line for line in lines if words in line]
    return found


def test_the_header_tells_run_model_preset_sandbox_round_and_time() -> None:
    head = picture(render(SNAPSHOT))[0]
    assert re.fullmatch(r"first  qwen2\.5-coder-0\.5b  cpu  sandbox bwrap +round 9 of 12  1 d 2 h", head)


def test_a_narrow_header_gives_up_facts_before_round_and_time() -> None:
    assert picture(render(SNAPSHOT), width=40)[0] == "first  cpu        round 9 of 12  1 d 2 h"


def test_each_stage_tells_its_state_count_speed_and_what_is_left() -> None:
    lines = picture(render(SNAPSHOT))
    assert lines[1] == "✓ problems   32 problems  in 0.2 s"
    assert lines[2] == "▶ code       ████░░░░░░░░░░░░░░ 8/32 problems  142 tokens/s  3 min left"
    assert lines[3] == "· tests"
    assert lines[4] == "▶ judge      3 problems  1 min 01 s"


def test_a_stage_that_waits_for_others_tells_what_it_has_done() -> None:
    waiting = StageLine(name="benchmark", state="pending", done=164, total=164, unit="tasks", wall_s=120.0)
    assert picture(render(change(stages=(waiting,))))[1] == "· benchmark  164 tasks so far"


def test_a_stage_that_has_counted_nothing_yet_says_that_it_works() -> None:
    lines = picture(render(change(stages=(StageLine(name="train", state="running"),))))
    assert lines[1] == "▶ train      working"


def test_a_bar_never_grows_past_its_end() -> None:
    over = StageLine(name="train", state="running", done=50, total=40, unit="steps")
    assert line_with("train", picture(render(change(stages=(over,))))).count("█") == 18


def test_a_round_without_a_judged_problem_has_no_pairs_to_count() -> None:
    unjudged = dataclasses.replace(OPEN, judged=0)
    row = line_with(" open ", picture(render(change(overviews=(unjudged,)))))
    assert row.split()[:4] == ["9", "open", "-", "-"]


def test_a_finished_round_shows_pairs_truth_loss_scores_and_interval() -> None:
    lines = picture(render(SNAPSHOT))
    heading = line_with("round decision", lines)
    assert re.sub(r" +", " ", heading) == "round decision pairs true pairs loss champion candidate change (95%)"
    row = line_with("promoted", lines)
    assert re.sub(r" +", " ", row) == " 5 promoted 14 of 32 5 of 9 0.612 55.5% 58.5% +3.0 [-1.2, +7.4]"


def test_what_is_not_known_is_a_dash_and_never_a_zero() -> None:
    assert re.sub(r" +", " ", line_with("open", picture(render(SNAPSHOT)))) == " 9 open - - - - - -"
    unmeasured = dataclasses.replace(turn(1), measured=0, good=0)
    assert line_with("kept", picture(render(change(overviews=(unmeasured,))))).split()[5] == "-"


def test_audit_benchmarks_are_no_part_of_the_decision_shown() -> None:
    audited = turn(1, "kept", comparison("audited", role="audit"), comparison("humaneval"))
    lines = picture(render(change(overviews=(audited,))), width=120)
    assert "audited" not in "\n".join(lines)
    assert "humaneval" in line_with("kept", lines)


def test_several_gate_benchmarks_get_a_row_and_a_name_each() -> None:
    several = tuple(turn(number, "kept", comparison("humaneval"), comparison("mbpp")) for number in range(1, 9))
    lines = picture(render(change(overviews=several)))
    assert "benchmark" in line_with("round decision", lines)
    assert "humaneval" in line_with("    8 kept", lines)
    first = lines.index(line_with("round decision", lines)) + 1
    assert "kept" in lines[first]
    assert lines[first + 1].split()[0] == "mbpp"
    assert max(map(len, lines)) <= 80


def test_the_champion_line_names_scores_and_marks_the_audit() -> None:
    line = line_with("champion  ", picture(render(SNAPSHOT), width=120))
    told = "champion  round 5   humaneval 58.5% of 164 tasks   mbpp 41.0% of 257 tasks (1 left out) (audit)"
    assert line == f"{told}   ▁▁▁▁▁████"
    assert "humaneval 58.5%   mbpp 41.0% (audit)" in line_with("champion  ", picture(render(SNAPSHOT), width=60))


def test_the_champion_line_gives_up_tasks_then_the_curve_then_intervals() -> None:
    score = ChampionScore(benchmark="humaneval", passed_frac=0.585, tasks=164, interval=(0.508, 0.658))
    one = change(champion_scores=(score,))
    wanted = {
        100: "champion  round 5   humaneval 58.5% [50.8, 65.8] of 164 tasks   ▁▁▁▁▁████",
        60: "champion  round 5   humaneval 58.5% [50.8, 65.8]   ▁▁▁▁▁████",
        50: "champion  round 5   humaneval 58.5% [50.8, 65.8]",
        40: "champion  round 5   humaneval 58.5%",
    }
    assert {width: line_with("champion  ", picture(render(one), width=width)) for width in wanted} == wanted


def test_how_true_the_pairs_are_is_told_over_all_rounds() -> None:
    assert (
        line_with("pairs     40", picture(render(SNAPSHOT), height=40)) == "pairs     40 of 72 true (56%), 8 inverted"
    )
    assert not any(line.startswith("pairs ") for line in picture(render(change(overviews=(OPEN,))), height=40))
    assert not any(line.startswith("pairs ") for line in picture(render(SNAPSHOT), height=14)), "the table has it too"


JUDGED = JudgedProblem(name="running_total", passed=("110", "010", "000"))


def test_the_matrix_of_the_last_problem_stands_beside_the_stages() -> None:
    lines = picture(render(change(judged=JUDGED)), width=120)
    assert [line[95:].strip() for line in lines[1:5]] == ["running_total 3x3", "██░", "░█░", "░░░"]
    assert lines[2].startswith("▶ code       ████")
    narrow = picture(render(change(judged=JUDGED)), width=80)
    assert [line[63:].strip() for line in narrow[1:5]] == ["running_tot… 3x3", "██░", "░█░", "░░░"]
    assert "3 min left" in narrow[2]


def test_a_matrix_that_is_too_large_says_so_and_one_without_room_is_a_line() -> None:
    large = change(judged=JudgedProblem(name="f", passed=("01" * 40,) * 20))
    lines = picture(render(large), width=120)
    assert lines[8].endswith("+14")
    assert max(map(len, lines)) <= 120
    line = line_with("judged", picture(render(change(judged=JUDGED)), width=70, height=40))
    assert line.startswith("pairs     40 of 72 true (56%), 8 inverted   judged running_total 3x3")


def test_a_training_shows_its_loss_and_where_it_goes() -> None:
    stage = StageLine(name="train", state="running", done=4, total=6, unit="steps", losses=(0.7, 0.6, 0.5, 0.4))
    line = picture(render(change(stages=(stage,))))[1]
    assert line == "▶ train      ████████████░░░░░░ 4/6 steps  loss 0.400 █▆▃▁"
    done = dataclasses.replace(stage, state="done", total=6, wall_s=5.0, rate="95 tokens/s")
    assert picture(render(change(stages=(done,))))[1] == "✓ train      6 steps  in 5.0 s  95 tokens/s  loss 0.400 █▆▃▁"
    assert picture(render(change(stages=(stage,))), width=44)[1].endswith("4/6 steps  loss 0.400")


def test_the_header_tells_what_is_left_of_the_run_where_it_is_known() -> None:
    assert picture(render(change(left_s=7300.0)))[0].endswith("round 9 of 12  1 d 2 h, 2 h 01 min left")
    assert picture(render(change(rounds=None)))[0].endswith("round 9  1 d 2 h")


def test_what_is_left_is_told_from_the_rounds_that_are_finished() -> None:
    finished = tuple(dataclasses.replace(turn(number), wall_s=100.0) for number in (1, 2))
    assert run_left_s(finished, 5, 3, 40.0) == pytest.approx(2 * 100 + 60)
    assert run_left_s(finished, 3, 3, 140.0) == 0.0
    assert run_left_s((), 5, 1, 40.0) is None
    assert run_left_s(finished, None, 3, 40.0) is None


def test_the_machine_line_tells_cores_memory_and_a_gpu_where_there_is_one() -> None:
    line = line_with("CPU", picture(render(SNAPSHOT)))
    assert line == "CPU 1.9/2 cores   memory 5.0/16.0 GiB, peak 6.0"
    gpu = GpuUsage(memory_bytes=12 * GIB, total_bytes=140 * GIB, busy_frac=0.87)
    usage = dataclasses.replace(USAGE, gpu=gpu)
    assert line_with("CPU", picture(render(change(usage=usage)))).endswith("GPU 12.0/140.0 GiB, 87%")
    slice_ = dataclasses.replace(usage, gpu=dataclasses.replace(gpu, busy_frac=None))
    assert line_with("CPU", picture(render(change(usage=slice_)))).endswith("GPU 12.0/140.0 GiB")
    assert not any("CPU" in line for line in picture(render(change(usage=None))))


def test_the_message_is_the_last_line() -> None:
    assert picture(render(change(message="stopping")))[-1] == "stopping"
    assert picture(render(SNAPSHOT))[-1].endswith("line 5")


def test_running_without_a_sandbox_is_said_on_every_picture() -> None:
    assert any("no sandbox" in line for line in picture(render(change(sandbox_level="none")), width=40, height=10))


@pytest.mark.parametrize("width", [20, 40, 60, 76, 80, 96, 120, 200])
@pytest.mark.parametrize("height", [6, 10, 16, 24, 40])
def test_every_picture_fits_its_screen(width: int, height: int) -> None:
    lines = picture(render(change(message="stopping", sandbox_level="none")), width, height)
    assert len(lines) < height
    assert max(map(len, lines)) <= width


def test_a_low_screen_keeps_the_round_the_running_stages_and_the_message() -> None:
    text = "\n".join(picture(render(change(message="stopping")), height=8))
    for words in ("round 9 of 12", "▶ code", "▶ judge", "champion", "stopping"):
        assert words in text
    assert "select" not in text


def test_a_higher_screen_shows_more_rounds_and_more_log() -> None:
    low, high = (picture(render(SNAPSHOT), height=height) for height in (24, 40))
    assert sum("INFO" in line for line in low) >= 2
    assert sum("kept" in line for line in low) < sum("kept" in line for line in high) == 7
    assert sum("INFO" in line for line in high) == 6
    assert "open" in "\n".join(low)


def test_a_wide_screen_shows_what_a_narrow_one_leaves_out() -> None:
    assert "executions" in line_with("round decision", picture(render(SNAPSHOT), width=140))
    assert "3402" in line_with("promoted", picture(render(SNAPSHOT), width=140))
    assert line_with("round decision", picture(render(SNAPSHOT), width=40)).split() == [
        "round", "decision", "pairs", "candidate",
    ]  # fmt: skip


def test_a_terminal_without_unicode_gets_plain_ascii() -> None:
    lines = picture(render(change(log=("naïve — “quoted” ✓",), message="…" * 200)), encoding="ascii")
    text = "\n".join(lines)
    assert text.isascii()
    curves = picture(render(change(judged=JUDGED, champion_scores=SNAPSHOT.champion_scores)), 120, encoding="ascii")
    assert "##-" in curves[2]
    assert "_____####" in "\n".join(curves)
    for words in ("+ problems", "> code       ####--------------", ". tests", "na?ve", "-" * 80):
        assert words in text
    assert max(map(len, lines)) <= 80
    assert "\n".join(picture(render_status(SNAPSHOT.overviews, RUN), encoding="ascii")).isascii()


def test_a_long_log_line_is_told_in_full_where_there_is_room_and_cut_where_there_is_none() -> None:
    reason = "kept: " + " ".join(f"word{number}" for number in range(30)) + " the end."
    high = picture(render(change(log=("before", reason))), height=40)
    assert high[-1].endswith("the end.")
    assert "  word" in high[-2] or "  word" in high[-1], "what follows is indented"
    told = " ".join(" ".join(high).split())
    assert reason in told
    low = picture(render(change(log=("before", reason))), height=24)
    assert len(low) <= 24
    assert "the end." not in " ".join(low)
    assert line_with("kept: word0", low).endswith("…")


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        (StageLine(name="train", state="done", total=1, unit="steps"), "1 step"),
        (StageLine(name="train", state="done", total=2, unit="steps"), "2 steps"),
        (StageLine(name="select", state="done", total=1, unit="matrices"), "1 matrix"),
        (StageLine(name="code", state="running", done=1, total=1, unit="problems"), "1/1 problem"),
        (StageLine(name="train", state="running", done=1, unit="steps"), "1 step"),
        (StageLine(name="benchmark", state="pending", done=1, unit="tasks"), "1 task so far"),
    ],
)
def test_one_of_a_thing_is_told_in_the_singular(stage: StageLine, told: str) -> None:
    line = picture(render(change(stages=(stage,), judged=None)))[1]
    assert line.endswith(told)


def test_a_single_loss_is_no_curve() -> None:
    stage = StageLine(name="train", state="running", done=1, unit="steps", losses=(0.7,))
    assert line_with("train", picture(render(change(stages=(stage,), judged=None)))).endswith("loss 0.700")


def test_how_many_pairs_there_are_is_told_once_they_are_chosen() -> None:
    judged = picture(render(change(overviews=(OPEN,))), height=40)
    assert re.search(r"9 open +- ", line_with("9 open", judged))
    chosen = dataclasses.replace(OPEN, selected=True)
    assert "0 of 18" in line_with("9 open", picture(render(change(overviews=(chosen,))), height=40))


def scored(champion: float, candidate: float) -> Comparison:
    return dataclasses.replace(comparison(), champion_frac=champion, candidate_frac=candidate)


def test_the_champions_curve_moves_only_when_another_leads() -> None:
    cut_short = [turn(1, "kept", scored(0.6, 0.5)), turn(2, "kept", scored(0.7, 0.5))]
    now = SNAPSHOT.champion_scores[:1]
    base = change(overviews=tuple(cut_short), champion_scores=now)
    assert champion_rates(base) == [0.585] * 3, "the base model's rate on all tasks, whatever part was compared"
    promoted = turn(3, "promoted", scored(0.5, 0.55))
    after = change(overviews=(*cut_short, promoted, turn(4, "kept", scored(0.4, 0.3)), OPEN), champion_scores=now)
    assert champion_rates(after) == [0.5, 0.5, 0.5, 0.585, 0.585]
    unscored = dataclasses.replace(after, champion_scores=())
    assert champion_rates(unscored) == [0.5, 0.5, 0.5, 0.55, 0.55]
    assert champion_rates(change(overviews=(OPEN,), champion_scores=())) == []


def test_no_markup_and_no_control_character_of_a_log_line_reaches_the_terminal() -> None:
    lines = picture(render(change(log=("[red]x[/red] \x1b[2J \x07 a\nb \u202e rtl",))))
    assert line_with("[red]x[/red]", lines) == "[red]x[/red]  [2J   a b   rtl"


def test_colour_is_used_only_where_the_terminal_has_it() -> None:
    def escapes(**options: object) -> int:
        console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True, **options)  # type: ignore[arg-type]
        console.print(render(SNAPSHOT))
        return console.file.getvalue().count("\x1b[3")  # type: ignore[attr-defined, no-any-return]

    assert escapes(color_system="standard") > 0
    assert escapes(no_color=True) == 0


def test_the_status_lists_every_round_its_reason_and_the_champion() -> None:
    overviews = tuple(turn(number, "promoted" if number == 5 else "kept") for number in range(1, 41))
    lines = picture(render_status((*overviews, dataclasses.replace(OPEN, number=41)), RUN))
    assert lines[0] == "first  smollm2-135m  begun 2026-11-02 10:00 UTC  0.1.0"
    assert sum(bool(re.match(r" +\d+ (kept|promoted|open)", line)) for line in lines) == 41
    assert "round 7: reason of round 7" in lines
    assert lines[-2:] == [
        "40 of 41 rounds finished, 1 promoted, 20 h 22 min of work",
        "champion: the adapter of round 5",
    ]


def test_the_status_of_a_run_without_rounds_says_so() -> None:
    assert picture(render_status((), RUN))[1:] == ["no round has begun"]
    kept = picture(render_status((turn(1),), RUN))
    assert kept[-1] == "champion: the base model"


def left_out(number: int, why: str | None, name: str | None = "inc") -> Problem:
    return Problem(
        id=str(number), source="mine.jsonl", position=number, prompt="Return the number after the given one.",
        signature=None, entry_point=name, reference=None, reference_tests=None, dropped=why,
    )  # fmt: skip


def test_the_status_counts_and_names_the_problems_that_are_left_out() -> None:
    problems = [
        left_out(1, "name: inc(x) is also the function of Bench/1"),
        left_out(2, None),
        left_out(3, "why", None),
    ]
    lines = picture(render_status((), RUN, problems))
    assert lines[1:4] == [
        "2 of 3 problems are left out:",
        "  inc  name: inc(x) is also the function of Bench/1",
        "  Return the number after the gi...  why",
    ]
    assert "left out" not in "".join(picture(render_status((), RUN, problems[1:2])))


def test_the_status_names_no_more_than_a_screenful_of_them() -> None:
    lines = picture(render_status((), RUN, [left_out(number, "why") for number in range(25)]))
    assert lines[-2:] == ["  and 5 more, in the table problems", "no round has begun"]
    assert sum("  inc  why" in line for line in lines) == 20


def test_the_status_says_how_many_tasks_are_behind_a_score_and_how_many_are_not() -> None:
    lines = picture(render_status((turn(1),), RUN, left_out={"mbpp_plus": (377, 1), "humaneval": (164, 0)}))
    assert "humaneval: 164 tasks" in lines
    assert "mbpp_plus: 377 tasks (1 left out: the right program fails here)" in lines


def test_the_gates_evidence_is_what_the_table_reads() -> None:
    tasks = {f"task{number}": (number % 2 == 0,) for number in range(20)}
    better = {name: (True,) for name in tasks}
    decision = gate.decide(
        [
            gate.BenchmarkResult(name="humaneval", role="gate", champion=tasks, candidate=better, tasks=20),
            gate.BenchmarkResult(name="mbpp", role="audit", champion={}, candidate={}, tasks=20),
        ],
        alpha_round=0.025,
        margin=0.02,
        min_coverage=0.95,
    )
    first, audit = comparisons(gate.evidence_json(decision))
    assert (first.benchmark, first.role, first.tasks) == ("humaneval", "gate", 20)
    assert (first.champion_frac, first.candidate_frac) == (0.5, 1.0)
    assert first.interval == decision.evidence[0].difference_interval
    assert (audit.role, audit.champion_frac, audit.interval) == ("audit", None, None)
    assert json.loads(gate.evidence_json(decision))


def test_durations_and_shares_are_written_as_people_read_them() -> None:
    exact = [(0.04, "0.0 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (3661, "1 h 01 min"), (90000, "1 d 1 h")]
    assert [duration(seconds) for seconds, _ in exact] == [words for _, words in exact]
    rough = [(0.2, "1 s"), (59.6, "1 min"), (200, "3 min"), (3580, "59 min 40 s"), (7300, "2 h 01 min")]
    assert [duration(seconds, rough=True) for seconds, _ in rough] == [words for _, words in rough]
    assert (percent(0.5854), percent(0.876, 0)) == ("58.5%", "88%")
    assert clean("a\tb\r\n\x1bc é") == "a b   c é"


def terminal() -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, width=80, height=24, force_terminal=True, color_system=None), file


def test_the_live_view_draws_until_the_end_and_leaves_the_last_picture() -> None:
    console, file = terminal()
    drawn = threading.Event()
    count = 0

    def snapshot() -> Snapshot:
        nonlocal count
        count += 1
        if count >= 12:
            drawn.set()
        return change(message="the end" if ended else f"picture {count}")

    ended = False
    with Dashboard(console, snapshot):
        assert drawn.wait(10)
        ended = True
    text = file.getvalue()
    assert len(set(re.findall(r"picture \d+", text))) >= 2
    assert text.rindex("the end") > text.rindex("picture")
    assert text.endswith("\x1b[?25h"), "the cursor is shown again"


def test_a_snapshot_taken_at_a_bad_moment_costs_one_picture_only() -> None:
    console, file = terminal()
    calls = 0

    def snapshot() -> Snapshot:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RuntimeError("deque mutated during iteration")
        return SNAPSHOT

    with Dashboard(console, snapshot):
        begun = time.monotonic()
        while calls < 4 and time.monotonic() - begun < 10:
            time.sleep(0.05)
    assert calls >= 4
    assert "qwen2.5-coder-0.5b" in file.getvalue()


def test_without_a_terminal_nothing_is_drawn_or_asked() -> None:
    file = io.StringIO()
    with Dashboard(Console(file=file), lambda: pytest.fail("asked for a snapshot")):
        pass
    assert file.getvalue() == ""
