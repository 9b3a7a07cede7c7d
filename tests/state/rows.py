"""Records of one small run, in an order in which the store accepts them."""

from __future__ import annotations

import json

from state.records import (
    Adapter,
    Execution,
    GroundTruth,
    Matrix,
    Pair,
    Problem,
    Promotion,
    Record,
    Reliability,
    Reply,
    Round,
    Run,
    Sample,
    Score,
    Stage,
    TrainStep,
)


def run() -> Run:
    return Run(
        id="run", name="first", created_at="2026-11-02T10:00:00+00:00", config="{}", code_version="0.1.0",
        packages="{}", host="{}", model="smollm2-135m", model_sha256="base", data_sha256="data", rounds=5,
    )  # fmt: skip


def problem(number: int = 0) -> Problem:
    return Problem(
        id=f"problem{number}", source="builtin", position=number, prompt="Add two numbers.",
        signature="def add(a, b):", entry_point="add", reference=None, reference_tests='["assert add(1, 2) == 3"]',
        dropped=None,
    )  # fmt: skip


def turn(number: int = 1, *, outcome: str | None = None, champion: str | None = None) -> Round:
    return Round(
        id=f"round{number}", run_id="run", number=number, champion_id=champion, started_at="2026-11-02T10:00:00+00:00",
        finished_at=None, outcome=outcome,
    )  # fmt: skip


def stage(name: str = "code", *, round_id: str = "round1", wall_s: float = 1.5) -> Stage:
    return Stage(
        id=f"{round_id}-{name}", round_id=round_id, name=name, started_at="2026-11-02T10:00:01+00:00", wall_s=wall_s,
        model_s=1.0, sandbox_s=None, tokens=100, executions=None, peak_rss_bytes=2**31, detail=None,
    )  # fmt: skip


def reply(kind: str = "code", position: int = 0, *, round_id: str = "round1", problem_id: str = "problem0") -> Reply:
    return Reply(
        id=f"{round_id}-{problem_id}-{kind}-{position}", round_id=round_id, problem_id=problem_id, kind=kind,
        position=position, seed=7, text="def add(a, b): ...", prompt_tokens=30, tokens=12, finish_reason="stop",
    )  # fmt: skip


def sample(of: Reply, position: int = 0, *, defect: str | None = None) -> Sample:
    return Sample(
        id=f"{of.id}-{position}", reply_id=of.id, round_id=of.round_id, problem_id=of.problem_id, kind=of.kind,
        position=position, source="def add(a, b): return a + b", defect=defect,
    )  # fmt: skip


def execution(code: Sample, test: Sample) -> Execution:
    return Execution(
        id=f"{code.id}|{test.id}", round_id=code.round_id, problem_id=code.problem_id, role="cell", code_id=code.id,
        test_id=test.id, status="passed", trust="split", level="bwrap", wall_s=0.01, cpu_s=0.01,
        peak_rss_bytes=10_000_000, detail="",
    )  # fmt: skip


def adapter(round_id: str = "round1", *, outcome: str = "trained", reason: str = "") -> Adapter:
    return Adapter(
        id=f"adapter-{round_id}", round_id=round_id, parent_id=None, path="adapters/round-0001", sha256="abc",
        method="dpo", reference="champion", pairs=1, steps=2, outcome=outcome, reason=reason, metrics="{}",
    )  # fmt: skip


def promotion(round_id: str = "round1", *, promoted: bool = True) -> Promotion:
    evidence = [
        {
            "name": "humaneval",
            "role": "gate",
            "tasks": 164,
            "champion_pass": 0.5,
            "candidate_pass": 0.6,
            "difference_interval": [0.02, 0.2],
        }
    ]
    return Promotion(
        id=f"promotion-{round_id}", round_id=round_id, candidate_id=f"adapter-{round_id}", champion_id=None,
        promoted=promoted, reason="better on 20 tasks, worse on 4", wins=20, losses=4, ties=140, p_value=0.0008,
        alpha=0.025, evidence=json.dumps(evidence),
    )  # fmt: skip


def ground_truth(*, passed: bool = True) -> GroundTruth:
    return GroundTruth(
        id="truth", benchmark="humaneval", task_id="HumanEval/0", task_sha256="task", host="{}",
        checked_at="2026-11-02T10:00:00+00:00", passed=passed, status="passed", detail="", wall_s=0.1,
    )  # fmt: skip


def score(task: int = 0, *, passed: bool = True, benchmark: str = "humaneval") -> Score:
    return Score(
        id=f"base-{benchmark}-{task}", weights_id="base", benchmark=benchmark, decoding='{"temperature": 0}',
        task_id=f"{task:04d}", position=0, reply="text", source="source", passed=passed, status="passed",
        trust="split", tokens=40, wall_s=0.2,
    )  # fmt: skip


def one_of_each() -> list[Record]:
    """One record of every table, parents before children."""
    code, test = reply("code"), reply("test")
    good, check = sample(code), sample(test)
    return [
        run(), problem(), turn(), stage(), code, test, good, check, execution(good, check),
        Matrix(
            id="matrix", round_id="round1", problem_id="problem0", code_ids=json.dumps([good.id]),
            test_ids=json.dumps([check.id]), passed='["1"]', code_right="1", test_right=None, tampered=0, vacuous=0,
        ),
        Pair(
            id="pair", round_id="round1", problem_id="problem0", rule="dstc", chosen_code_id=good.id,
            chosen_test_id=check.id, rejected_code_id=good.id, rejected_test_id=check.id, prompt="[]", chosen="a",
            rejected="b", chosen_right=True, rejected_right=None,
        ),
        Reliability(
            id="rel", round_id="round1", rule="dstc", pairs=1, measured=1, good=1, inverted=0, tests_measured=4,
            tests_right=3,
        ),
        adapter(),
        TrainStep(
            id="step", round_id="round1", step=1, loss=0.69, reward_margin=0.1, reward_accuracy=0.5, chosen_logp=-1.0,
            rejected_logp=-1.5, learning_rate=2e-5, grad_norm=None, tokens=None, wall_s=1.0,
        ),
        score(), ground_truth(), promotion(),
    ]  # fmt: skip
