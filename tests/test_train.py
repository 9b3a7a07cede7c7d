"""Training with the real TRL, peft and bitsandbytes, on a model of 100,000 random weights.

Each real worker spends most of its time on imports, so the trainings below are shared between tests where they can be.
Run as a module, this file is a worker that only pretends to train.
"""

from __future__ import annotations

import json
import math
import os
import re
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from safetensors.numpy import load_file

from selfplay.channel import Channel, Json, serve
from selfplay.errors import HostError
from selfplay.sections import Train
from selfplay.train import (
    Batching,
    Example,
    Step,
    TrainJob,
    TrainResult,
    adapter_sha256,
    from_message,
    to_message,
    train,
)
from selfplay.train_files import mark_whole, restart_point, write_result
from selfplay.worker_death import WorkerDied
from tests.small_training import PAIRS, examples, job_in, number, section, write_tiny

LN2 = math.log(2)


def run(job: TrainJob, module: str = "selfplay.trainer") -> tuple[TrainResult, list[Step]]:
    steps: list[Step] = []
    return train(job, job.out.with_name("log.txt"), steps.append, module=module), steps


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def long(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainJob, TrainResult, list[Step]]:
    """Return an undisturbed DPO training of 20 steps."""
    job = job_in(tmp_path_factory.mktemp("long"), tiny, section=section(epochs=10.0, learning_rate=2e-3))
    return job, *run(job)


class TestDpo:
    def test_the_first_loss_is_ln_2_and_the_first_margin_0(
        self, long: tuple[TrainJob, TrainResult, list[Step]]
    ) -> None:
        """The policy is its own reference before the first update.

        Every log-ratio is log p - log p = 0, so the margin is beta (0 - 0) = 0 and the loss
        -log sigmoid(0) = -log(1/2) = ln 2 = 0.6931.
        """
        first = long[2][0]
        assert first["reward_margin"] == 0.0
        assert number(first, "loss") == pytest.approx(LN2, abs=1e-6)

    def test_the_adapter_learns_what_it_was_shown(self, long: tuple[TrainJob, TrainResult, list[Step]]) -> None:
        job, result, steps = long
        assert (result.outcome, result.steps) == ("trained", 20)
        assert [step["step"] for step in steps] == list(range(1, 21))
        assert number(steps[-1], "reward_margin") > 0.5
        assert number(steps[-1], "loss") < 0.5
        assert result.sha256 == adapter_sha256(job.out)
        assert not job.checkpoints.exists()
        assert {path.suffix for path in job.out.iterdir()} == {".safetensors", ".json"}

    def test_lora_weights_are_not_rounded_to_bfloat16(self, long: tuple[TrainJob, TrainResult, list[Step]]) -> None:
        weights = load_file(long[0].out / "adapter_model.safetensors")
        assert {str(weight.dtype) for weight in weights.values()} == {"float32"}
        assert all((weight.view("uint32") & 0xFFFF).any() for weight in weights.values())

    def test_a_step_counts_its_own_tokens(self, long: tuple[TrainJob, TrainResult, list[Step]]) -> None:
        """An epoch is 2 steps, and sees every pair once.

        A single-byte tokenizer: a turn is its role, a newline, its text and a newline, between two special tokens.
        """
        frame = len("user\n\n") + 2
        reply = len("assistant\n\n") + 2
        expected = sum(
            2 * (len(row["prompt"][0]["content"]) + frame + reply) + len(row["chosen"]) + len(row["rejected"])
            for row in examples()
        )
        assert number(long[2][0], "tokens") + number(long[2][1], "tokens") == expected

    def test_a_finished_job_is_not_done_again(self, long: tuple[TrainJob, TrainResult, list[Step]]) -> None:
        job, result, steps = long
        assert run(job, "no.such.module") == (result, steps)

    def test_a_folder_with_another_jobs_adapter_is_refused(
        self, long: tuple[TrainJob, TrainResult, list[Step]]
    ) -> None:
        with pytest.raises(HostError, match="another training job"):
            run(replace(long[0], seed=4))

    def test_killed_twice_it_ends_with_the_same_bytes(
        self, long: tuple[TrainJob, TrainResult, list[Step]], tiny: Path, tmp_path: Path
    ) -> None:
        undisturbed_job, undisturbed, undisturbed_steps = long
        job = job_in(tmp_path, tiny, section=undisturbed_job.section)

        def stop(step: Step) -> None:
            if step["step"] == 6:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(job, tmp_path / "log.txt", stop)
        assert not job.out.exists()
        assert list(job.checkpoints.glob("checkpoint-*"))
        steps: list[Step] = []
        workers: set[int] = set()

        def kill(step: Step) -> None:
            steps.append(step)
            worker = next(p for p in psutil.Process().children() if "selfplay.trainer" in p.cmdline())
            if step["step"] == 10:
                os.kill(worker.pid, signal.SIGKILL)
            workers.add(worker.pid)

        result = train(job, tmp_path / "log.txt", kill)
        assert len(workers) == 2
        assert result.sha256 == undisturbed.sha256
        assert [step["loss"] for step in steps] == [step["loss"] for step in undisturbed_steps]

    def test_the_champion_as_reference_starts_at_margin_0_with_the_nll_term_on_top(
        self, long: tuple[TrainJob, TrainResult, list[Step]], tiny: Path, tmp_path: Path
    ) -> None:
        """All pairs in one step: loss = ln 2 + 0.5 x mean negative log-likelihood of the chosen tokens."""
        one_step = section(batch_size=PAIRS, accumulation=1, nll_weight=0.5)
        result, steps = run(job_in(tmp_path, tiny, section=one_step, parent=long[0].out))
        assert (result.outcome, len(steps)) == ("trained", 1)
        assert steps[0]["reward_margin"] == 0.0
        assert number(steps[0], "loss") == pytest.approx(LN2 - 0.5 * number(steps[0], "chosen_logp"), rel=1e-4)

    def test_the_base_as_reference_sees_what_the_parent_has_learnt(
        self, long: tuple[TrainJob, TrainResult, list[Step]], tiny: Path, tmp_path: Path
    ) -> None:
        """The parent's margin over the base on these pairs is what its own training logged last."""
        settings = section(reference="base", quantization="none", max_logp_drop=9.0)
        result, steps = run(job_in(tmp_path, tiny, section=settings, parent=long[0].out))
        assert result.outcome == "trained"
        assert number(steps[0], "reward_margin") > 0.3
        assert number(steps[0], "loss") < 0.6

    @pytest.mark.parametrize(("rate", "reason"), [(50.0, "nats a token"), (1e30, "loss is (nan|inf)")])
    def test_an_absurd_learning_rate_is_a_diverged_training(
        self, tiny: Path, tmp_path: Path, rate: float, reason: str
    ) -> None:
        settings = section(learning_rate=rate, epochs=10.0, max_logp_drop=0.05)
        job = job_in(tmp_path, tiny, section=settings)
        result, steps = run(job)
        assert result.outcome == "diverged"
        assert re.search(reason, result.reason)
        assert result.sha256 is None
        assert len(steps) < 20
        assert [path.name for path in job.out.iterdir()] == ["result.json"]
        assert run(job, "no.such.module") == (result, steps)


def test_kto_learns_from_single_replies(tiny: Path, tmp_path: Path) -> None:
    """KTO's first loss: every log-ratio and the KL term are 0, so it is 1 - sigmoid(0) = 1/2 for every row."""
    settings = section(method="kto", epochs=4.0, batch_size=1, accumulation=PAIRS)
    result, steps = run(job_in(tmp_path, tiny, section=settings))
    assert (result.outcome, len(steps)) == ("trained", 4)
    assert number(steps[0], "loss") == pytest.approx(0.5, abs=1e-6)
    assert number(steps[-1], "loss") < 0.499
    assert steps[0]["reward_accuracy"] is None


@pytest.mark.filterwarnings("ignore")
def test_log_probabilities_and_their_gradient_are_those_of_a_log_softmax() -> None:
    import torch

    from selfplay.train_head import TILE, ReplyLogProbs

    torch.manual_seed(0)
    rows = TILE + 3
    hidden = torch.randn(rows, 16, dtype=torch.float64).float().requires_grad_(True)
    weight, targets = torch.randn(50, 16), torch.randint(50, (rows,))
    upstream = torch.randn(rows)
    expected = torch.log_softmax(hidden @ weight.T, dim=-1).gather(1, targets[:, None]).squeeze(1)
    (slope,) = torch.autograd.grad(expected, hidden, upstream)
    found = ReplyLogProbs.apply(hidden, weight, targets)
    (our_slope,) = torch.autograd.grad(found, hidden, upstream)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(our_slope, slope)


@pytest.mark.e2e
def test_the_real_small_model_learns_a_pair(tmp_path: Path) -> None:
    from selfplay.models import resolve

    pair: Example = {
        "prompt": [{"role": "user", "content": "Write a Python function add(a, b)."}],
        "chosen": "```python\ndef add(a, b):\n    return a + b\n```",
        "rejected": "```python\ndef add(a, b):\n    return a - b\n```",
    }
    settings = Train(batch_size=2, accumulation=1, max_length=128, learning_rate=1e-3, epochs=3.0)
    result, steps = run(job_in(tmp_path, resolve("smollm2-135m").folder, examples=[pair, pair], section=settings))
    assert (result.outcome, len(steps)) == ("trained", 3)
    assert steps[0]["reward_margin"] == 0.0
    assert number(steps[2], "reward_margin") > 0.1
    assert -2.0 < number(steps[0], "chosen_logp") < 0.0


class TestTheParent:
    """What `train` does about its worker, with one that only pretends (the end of this file)."""

    def pretend(self, tmp_path: Path, behaviour: str, **settings: Any) -> tuple[TrainResult, list[Step]]:
        job = job_in(tmp_path, Path(behaviour), section=section(**settings))
        return run(job, "tests.test_train")

    def test_a_worker_out_of_memory_gets_half_the_batch_and_twice_the_accumulation(self, tmp_path: Path) -> None:
        result, _ = self.pretend(tmp_path, "hungry", batch_size=4, accumulation=3)
        assert result.reason == "[1, 12, false]"

    def test_it_gives_up_after_three_starts(self, tmp_path: Path) -> None:
        with pytest.raises(WorkerDied, match="out of memory"):
            self.pretend(tmp_path, "hungry", batch_size=8)
        assert (tmp_path / "log.txt").read_text().count("MemoryError: [") == 3

    def test_a_worker_killed_without_a_word_is_first_started_as_it_was(self, tmp_path: Path) -> None:
        result, steps = self.pretend(tmp_path, "killed")
        assert result.reason == "[2, 2, false]"
        assert [step["step"] for step in steps] == [1, 2]

    def test_any_other_death_is_reported_at_once(self, tmp_path: Path) -> None:
        with pytest.raises(WorkerDied, match="no idea"):
            self.pretend(tmp_path, "broken")

    def test_a_changed_adapter_is_noticed(self, tmp_path: Path) -> None:
        self.pretend(tmp_path, "fine")
        (tmp_path / "out" / "adapter_model.safetensors").write_text("other")
        with pytest.raises(HostError, match="has changed"):
            self.pretend(tmp_path, "fine")


def test_batches_shrink_to_a_divisor_and_then_give_up_activations() -> None:
    first = Batching(6, 2, checkpointing=False)
    assert [first.smaller(), first.smaller().smaller(), first.smaller().smaller().smaller()] == [
        Batching(3, 4, checkpointing=False),
        Batching(1, 12, checkpointing=False),
        Batching(1, 12, checkpointing=True),
    ]


def test_a_job_survives_the_way_to_the_worker(tmp_path: Path) -> None:
    job = job_in(tmp_path, Path("model"), parent=Path("parent"))
    batching = Batching(1, 2, checkpointing=True)
    assert from_message(json.loads(json.dumps(to_message(job, "id", batching)))) == (job, "id", batching)


def test_only_the_newest_whole_checkpoint_of_this_job_counts(tmp_path: Path) -> None:
    for steps, identity in ((2, "this"), (4, "this"), (6, "another")):
        (tmp_path / f"checkpoint-{steps}").mkdir()
        mark_whole(tmp_path / f"checkpoint-{steps}", identity, [{"step": step + 1} for step in range(steps)])
    (tmp_path / "checkpoint-8").mkdir()
    path, known_steps = restart_point(tmp_path, "this")
    assert (path, len(known_steps)) == (tmp_path / "checkpoint-4", 4)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["checkpoint-2", "checkpoint-4"]


def pretend_to_train(message: Json, channel: Channel) -> None:
    """Behave as the model's name says."""
    job, identity, batching = from_message(message)
    behaviour = job.model.name
    killed_before = job.checkpoints.exists()
    job.checkpoints.mkdir(parents=True, exist_ok=True)
    if behaviour == "hungry" and batching.batch_size > 1:
        raise MemoryError(list(batching))
    if behaviour == "broken":
        raise RuntimeError("no idea")
    channel.send({"step": {"step": 1}})
    if behaviour == "killed" and not killed_before:
        os.kill(os.getpid(), signal.SIGKILL)
    channel.send({"step": {"step": 2}})

    def save(folder: Path) -> None:
        for name in ("adapter_model.safetensors", "adapter_config.json"):
            (folder / name).write_text(name)

    result = TrainResult(outcome="trained", reason=json.dumps(list(batching)), steps=2, tokens=1, tokens_per_s=None)
    write_result(job.out, identity, result, [{"step": 1}, {"step": 2}], save)


if __name__ == "__main__":
    serve(pretend_to_train)
