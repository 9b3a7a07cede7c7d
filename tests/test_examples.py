"""Every command and every Python snippet of README.md and docs/, and the example of every command's help, is run.

Models are replaced by a script where the loop takes its tools, and sizes are made small; the rest is the product: the
command line, presets, settings, database, sandbox, gate. What is there before an example is in `before`.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

import run_loop
from sandbox import Limits, Sandbox
from selfplay import config, models, startup, trial
from selfplay.machine import gpus
from selfplay.models import ModelFiles
from state.records import Run
from tests import scripted_loop
from tests.documents import PAGES, ROOT, Block, blocks
from tests.export.runs import readable_adapters
from tests.script import BASE
from tests.test_trial import Scripted

HEADS = re.compile(
    r"(?:\$ |nohup |[A-Z_]+=\S+ )*"
    r"(?:python3?|pip|uv|uvx|make|pytest|source|git|ollama|vllm|llama-\S+|hf|sha256sum|curl|docker|sqlite3|cd|cp"
    r"|\.venv/bin/\S+) "
)
"""What a line of a command begins with."""
NOT_RUN = {
    "source .venv/bin/activate": "changes the shell it is typed into",
    "uvx datasette": "fetches datasette; printed by the command `datasette`, which is run",
    "vllm serve": "serves until it is stopped, on a GPU",
    "llama-server": "serves until it is stopped; a program of others",
    "ollama create": "a program of others",
    "hf upload": "writes to a hub",
    "pytest ": "a test of its own; its file must exist",
    "uv pip install ": "changes the environment that the tests run in",
    ".venv/bin/tensorboard --logdir": "serves until it is stopped; what it shows is read back in test_track.py",
    "TRACKIO_DIR=runs/first/track/trackio .venv/bin/trackio show": "serves until it is stopped; an extra of its own",
}
ONLY_CHECKED = {
    "from peft import": "loads a 7B model: it must compile, and what it imports must be there",
    "model.merge_and_unload": "goes on from the one above",
}
"""Snippets that are not run, by how they begin, with the reason."""
CONTINUES = ("keep.", "watchdog.")
"""Settings that may be given to a run that is there already."""
RUNS = {
    "first": "--preset smoke",
    "second": "--preset cpu",
    "mine": "--preset cpu --problems mine.jsonl",
    "dpo": "--preset cpu",
    "kto": "--preset cpu --set train.method=kto",
    "dpo-1": "--preset cpu --set seed=1",
    "kto-1": "--preset cpu --set seed=1 --set train.method=kto",
}
"""What the examples find there, and how it was made."""
IN_A_LOOP = {"$method": "dpo", "$seed": "1"}
"""What a shell would put in."""
SMALL = {
    "problems": {"per_round": 4},
    "generate": {"codes": 6, "test_replies": 1, "tests": 4},
    "benchmark": {"limit": 6},
    "select": {"min_passed": 1, "min_agree": 1, "max_similarity": 1.0},
    "train": {"min_pairs": 1},
    "gate": {"alpha": 0.9},
    "sandbox": {"workers": 2},
}


def commands(block: Block) -> list[str]:
    """Return a block's commands, one a line, without comments and prompts."""
    lines = block.text.replace("\\\n", " ").splitlines()
    found = [line.strip() for line in lines if HEADS.match(f"{line.strip()} ")]
    split = [part for line in found for part in (re.split(r" {3,}(?=make )", line) if line[:5] == "make " else [line])]
    return [re.sub(r"\s+", " ", re.sub(r"\s+#.*", "", line)).removeprefix("$ ").strip() for line in split]


def snippets(block: Block) -> list[str]:
    """Return the block if it is Python that does something."""
    if commands(block):
        return []
    try:
        nodes = list(ast.walk(ast.parse(block.text)))
    except SyntaxError:
        return []
    return [block.text] if any(isinstance(node, ast.Call | ast.Import | ast.ImportFrom) for node in nodes) else []


EXAMPLES = [
    (page, line)
    for line, page in {
        line: page for page in reversed(PAGES) for block in blocks(page) for line in commands(block)
    }.items()
]
"""The page that has it first, and each command; one that stands on several pages is run once."""
SNIPPETS = [(block.page, text) for page in PAGES for block in blocks(page) for text in snippets(block)]
GROUP = typer.main.get_command(run_loop.app)
HELP = {"": GROUP.help or "", **{name: each.help or "" for name, each in getattr(GROUP, "commands", {}).items()}}


def example_of(text: str) -> str | None:
    """Return the example of a help text."""
    found = re.search(r"Example: (python run_loop\.py.*)", text)
    return found[1] if found else None


def small(settings: config.Config) -> config.Config:
    """Return the settings with sizes that take a second or two."""
    changed = {name: getattr(settings, name).model_copy(update=values) for name, values in SMALL.items()}
    return settings.model_copy(update=changed)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which the examples are typed; nothing but the model is another one than a user's."""
    folder = tmp_path_factory.mktemp("world")
    own = (ROOT / "selfplay" / "tasks" / "basics.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)[:8]
    (folder / "mine.jsonl").write_text("".join(own))
    (folder / "code.py").write_text("def add(a, b):\n    return a + b\n")
    (folder / "test.py").write_text("assert add(1, 2) == 3\n")
    (folder / "jobs.jsonl").write_text('{"code": "def f(): return 1", "test": "assert f() == 1", "entry_point": "f"}\n')
    resolve = startup.resolve_config

    def resolve_small(wanted: startup.Wanted, stored: Run | None) -> config.Config:
        return small(resolve(wanted, stored))

    def script(_name: str, *_args: object, **_kwargs: object) -> ModelFiles:
        return ModelFiles(folder=folder / "my-model", sha256=BASE, source="script", licence=None)

    model = Scripted(folder / "my-model")
    really = trial.try_prompt

    def tried(name: str, runs_dir: Path, wanted: trial.Wanted) -> int:
        serve = model.problems if wanted.problem else model.echo
        return really(name, runs_dir, wanted, find_model=model.find_model, serve=serve)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(startup, "resolve_config", resolve_small)
        patch.setattr(startup, "real_tools", scripted_loop.scripted_tools(0.0))
        patch.setattr(models, "resolve", script)
        patch.setattr(trial, "try_prompt", tried)
        yield folder


@pytest.fixture(scope="module")
def kept(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs as the examples before have left them, each with one round."""
    for name, options in RUNS.items():
        play(f"python run_loop.py {options} --run {name}")
        readable_adapters(world / "runs", name)
    folder = tmp_path_factory.mktemp("kept") / "runs"
    (world / "runs").rename(folder)
    return folder


def play(line: str) -> str:
    """Type a command of run_loop.py; return what it prints."""
    words = shlex.split(re.split(r" [>|] ", line)[0])
    words = words[next(number for number, word in enumerate(words) if word.endswith("run_loop.py")) + 1 :]
    done = CliRunner().invoke(run_loop.app, words, catch_exceptions=False)
    stops = "doctor" in words and "gpu" in line and not gpus()
    assert done.exit_code == (1 if stops else 0), done.output
    return str(done.output)


def before(words: list[str]) -> list[str]:
    """Return the names of the runs that an example finds."""
    settings = [word for before, word in pairwise(words) if before == "--set"]
    begins = {"--preset", "--problems", "--model", "--set"} & set(words)
    if begins and "watch" not in words and not (settings and all(word.startswith(CONTINUES) for word in settings)):
        return []
    return list(RUNS)


def type_(line: str, world: Path, kept: Path) -> None:
    """Run one command of the documents."""
    if reason := next((reason for start, reason in NOT_RUN.items() if line.startswith(start)), None):
        named = [word for word in line.split() if word.endswith(".py")]
        assert reason
        assert [word for word in named if not (ROOT / word).exists()] == []
        return
    for variable, value in IN_A_LOOP.items():
        line = line.replace(variable, value)
    words = shlex.split(re.sub(r"^(?:nohup |[A-Z_]+=\S+ )+", "", line))
    shutil.rmtree(world / "runs", ignore_errors=True)
    for name in before(words):
        shutil.copytree(kept / name, world / "runs" / name)
    shutil.rmtree(world / "first-adapter", ignore_errors=True)
    if "run_loop.py" in words:
        type_to_the_loop(line, words, world)
    elif words[0] == "sha256sum":
        play("python run_loop.py export --run first --adapter round-1 --to first-adapter")
        run(words, world)
    elif words[0] == "make":
        run(["make", "-n", *words[1:]], ROOT)
    elif words[0].endswith("sqlite-utils"):
        run([str(Path(sys.executable).with_name("sqlite-utils")), *words[1:]], world)
    elif words[:3] == ["python", "-m", "sandbox"]:
        run([sys.executable, *words[1:]], world)
    elif words[:2] == ["python", "-m"] and words[2].startswith("bench."):
        has_options(words[2], [word.strip("[]") for word in words[3:] if word.strip("[").startswith("--")])
    else:
        pytest.fail(f"nobody has told this test how to run it: {line}")


def type_to_the_loop(line: str, words: list[str], world: Path) -> None:
    """Run one command of run_loop.py, unless this machine lacks what it takes."""
    if {"--merged", "--gguf"} & set(words):
        pytest.skip("merges real weights, as tests/export/test_exported_models.py does")
    if "mbpp" in line and not os.environ.get("SELFPLAY_DATA_DIR"):
        pytest.skip("its benchmark file would be fetched; set SELFPLAY_DATA_DIR")
    for made in ("DIR", *(word for previous, word in pairwise(words) if previous in {"--out", "--to"})):
        shutil.rmtree(world / made, ignore_errors=True)
    play(line)


def run(command: list[str], folder: Path) -> None:
    """Run a program; it must end with 0."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def has_options(module: str, options: list[str]) -> None:
    """See that a module of bench is there and knows the options (a benchmark itself takes minutes to hours)."""
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    known = set(re.findall(r"\"(--[\w-]+)\"", Path(found.origin).read_text(encoding="utf-8")))
    assert [option for option in options if option not in known] == []


@pytest.mark.parametrize(("page", "line"), EXAMPLES, ids=[f"{page}: {line}" for page, line in EXAMPLES])
def test_a_command_of_the_documents_works(page: str, line: str, world: Path, kept: Path) -> None:
    assert page
    type_(line, world, kept)


@pytest.mark.parametrize("name", HELP, ids=lambda name: name or "run_loop.py")
def test_the_example_of_a_commands_help_works(name: str, world: Path, kept: Path) -> None:
    example = example_of(HELP[name])
    assert example is not None, f"{name}: its help has no line `Example: python run_loop.py ...`"
    assert not name or f"run_loop.py {name}" in example
    type_(example, world, kept)


@pytest.mark.parametrize(("page", "text"), SNIPPETS, ids=[f"{page}: {text.splitlines()[0]}" for page, text in SNIPPETS])
def test_a_python_snippet_of_the_documents_works(page: str, text: str, world: Path, kept: Path) -> None:
    if any(text.startswith(start) for start in ONLY_CHECKED):
        for node in ast.walk(ast.parse(text, page)):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = importlib.import_module(node.module)
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []
        return
    type_("python run_loop.py pairs --run first --out DIR", world, kept)
    names = {
        "Sandbox": Sandbox,
        "Limits": Limits,
        "code": "def add(a, b): return a + b",
        "test": "assert add(1, 2) == 3",
        "codes": ["def add(a, b): return a + b"],
        "tests": ["assert add(1, 2) == 3"],
    }
    exec(compile(text, page, "exec"), names)  # noqa: S102  (the project's own documents)


def test_a_command_that_nobody_knows_fails(world: Path, kept: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="how to run it"):
        type_("ollama run mine", world, kept)
