"""One record type a table.

Every class below is one row of the table named in `TABLES`; a test compares the fields with the columns. Ids are
content hashes (`content_id`), so storing the same fact twice is harmless. `None` means "not known", never 0 or "".
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from state.scores import GroundTruth as GroundTruth
from state.scores import Score as Score


def content_id(*parts: str | int | None) -> str:
    """Return the 16-hex-digit id of a record whose identity is `parts`, in order."""
    # surrogatepass: a candidate's text may hold lone surrogates, and must not stop the run.
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode(errors="surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What was asked for and with what: everything needed to repeat the run."""

    id: str
    name: str
    created_at: str
    """UTC, ISO 8601."""
    config: str
    """The resolved config as JSON; the number of rounds is no part of it."""
    code_version: str
    """Version of this program and its git commit where there is one."""
    packages: str
    """JSON object, package name -> version."""
    host: str
    """JSON object: Python, kernel, CPU count, memory, GPU, sandbox level."""
    model: str
    model_sha256: str
    """Hash of the base weights; the weights id of a champion that has no adapter."""
    data_sha256: str
    """Hash of problems and benchmark tasks."""
    rounds: int | None
    """Rounds that the run shall have in all, as its last start asked; None where no start has said so yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something to write a function for."""

    id: str
    source: str
    """"builtin", a file's name, or a hub data set id."""
    position: int
    prompt: str
    signature: str | None
    """Python `def` line, ending in a colon; None until the model has been asked for one."""
    entry_point: str | None
    reference: str | None
    """A right solution; never shown to the model."""
    reference_tests: str | None
    """JSON list of assert statements; never shown to the model, never used to select pairs."""
    dropped: str | None
    """Why this problem is not used (overlap with a benchmark task), or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One turn of the loop."""

    id: str
    run_id: str
    number: int
    """Counts from 1."""
    champion_id: str | None
    """Adapter that writes this round's samples; None is the base model."""
    started_at: str
    finished_at: str | None
    outcome: str | None
    """"promoted" | "kept" | "abandoned"; None while open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A finished stage of a round, and where its time went."""

    id: str
    round_id: str
    name: str
    """"problems" | "code" | "tests" | "judge" | "select" | "train" | "benchmark" | "gate"."""
    started_at: str
    wall_s: float
    model_s: float | None
    """Seconds in which the stage waited for a model process, its start included."""
    sandbox_s: float | None
    """Seconds in which the stage waited for nothing but the sandbox."""
    tokens: int | None
    executions: int | None
    peak_rss_bytes: int | None
    """Largest memory of the whole process tree seen during the stage."""
    detail: str | None
    """JSON object with whatever else the stage counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer of the model, as it came."""

    id: str
    round_id: str
    problem_id: str
    kind: str
    """"code" | "test"."""
    position: int
    """0 <= position < replies asked for this problem and kind."""
    seed: int
    text: str
    prompt_tokens: int
    tokens: int
    finish_reason: str
    """"stop" | "length"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One code or one test parsed out of a reply."""

    id: str
    reply_id: str
    round_id: str
    problem_id: str
    kind: str
    """"code" | "test"."""
    position: int
    """Index of the sample within its reply."""
    source: str
    """Python text; the reply itself where nothing could be parsed."""
    defect: str | None
    """Why the sample is not in the matrix: "no_code" | "syntax_error" | "no_entry_point" | "no_call" |
    "unbound_name" | "duplicate" | "surplus"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One code run against one test."""

    id: str
    round_id: str
    problem_id: str
    role: str
    """"cell": a sampled code and test; "stub": a stub against a sampled test; "canary": a sampled code against a test
    that nothing can pass; "code_truth": a sampled code against all reference tests; "test_truth": the reference
    against a sampled test."""
    code_id: str | None
    test_id: str | None
    status: str
    trust: str
    """"split" | "in_process"."""
    level: str
    """Rung of the sandbox ladder."""
    wall_s: float
    cpu_s: float
    peak_rss_bytes: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """The pass matrix of one problem in one round: what selection reads."""

    id: str
    round_id: str
    problem_id: str
    code_ids: str
    """JSON list, length C."""
    test_ids: str
    """JSON list, length T."""
    passed: str
    """JSON list of C strings of T characters, "1" where the code passes the test."""
    code_right: str | None
    """C characters "0" | "1": passes the reference tests; None where the problem has none."""
    test_right: str | None
    """T characters "0" | "1": the reference passes it; None where the problem has no reference."""
    tampered: int
    """Codes left out because they passed a canary."""
    vacuous: int
    """Tests left out because a stub passed them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One preference: what a prompt should rather be answered with."""

    id: str
    round_id: str
    problem_id: str
    rule: str
    chosen_code_id: str
    chosen_test_id: str
    rejected_code_id: str
    rejected_test_id: str
    prompt: str
    """JSON list of chat messages."""
    chosen: str
    rejected: str
    chosen_right: bool | None
    """The chosen code passes the reference tests."""
    rejected_right: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """How often a rule's pairs tell the truth, measured on a round's matrices; only the configured rule trains."""

    id: str
    round_id: str
    rule: str
    pairs: int
    measured: int
    """Pairs of problems that have reference tests."""
    good: int
    """Chosen right, rejected wrong."""
    inverted: int
    """Chosen wrong, rejected right."""
    tests_measured: int
    """Tests in pairs, two each, of problems that have a reference solution."""
    tests_right: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A trained candidate, on disk or failed."""

    id: str
    round_id: str
    parent_id: str | None
    path: str | None
    """Folder, relative to the run's folder; None for a failed training or after a clean-up."""
    sha256: str | None
    """Hash of adapter_model.safetensors and adapter_config.json."""
    method: str
    """"dpo" | "kto"."""
    reference: str
    """"champion" | "base"."""
    pairs: int
    steps: int
    outcome: str
    """"trained" | "diverged" | "too_few_pairs"."""
    reason: str
    metrics: str
    """JSON object: the last logged values and token rates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainStep:
    """One logged training step."""

    id: str
    round_id: str
    step: int
    loss: float | None
    reward_margin: float | None
    reward_accuracy: float | None
    chosen_logp: float | None
    """Mean log-probability of the step's chosen replies, nats a token."""
    rejected_logp: float | None
    """The same of its rejected replies."""
    learning_rate: float | None
    grad_norm: float | None
    tokens: int | None
    wall_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """The gate's decision on a round's candidate, with its evidence."""

    id: str
    round_id: str
    candidate_id: str | None
    champion_id: str | None
    promoted: bool
    reason: str
    """A sentence for people; for an abandoned round, what could not be brought to its end."""
    wins: int
    losses: int
    ties: int
    p_value: float | None
    """None where there was no test; for a candidate that was cut short the smallest that it could still have had."""
    alpha: float
    """Level of this round; spent where there is a p-value."""
    evidence: str
    """JSON list, one object a benchmark: name, role, tasks, wins, losses, pass@1 of both, difference, interval,
    p-value."""


Record = (
    Run
    | Problem
    | Round
    | Stage
    | Reply
    | Sample
    | Execution
    | Matrix
    | Pair
    | Reliability
    | Adapter
    | TrainStep
    | Score
    | GroundTruth
    | Promotion
)
"""A row of any table."""

TABLES: dict[str, type[Record]] = {
    "runs": Run,
    "problems": Problem,
    "rounds": Round,
    "stages": Stage,
    "replies": Reply,
    "samples": Sample,
    "executions": Execution,
    "matrices": Matrix,
    "pairs": Pair,
    "reliability": Reliability,
    "adapters": Adapter,
    "train_steps": TrainStep,
    "scores": Score,
    "ground_truths": GroundTruth,
    "promotions": Promotion,
}
