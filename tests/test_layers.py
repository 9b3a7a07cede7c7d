"""The shape of the source: imports point one way, model libraries load late, files stay small, nothing prints."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_LINES = 350
HEAVY = frozenset({"torch", "vllm", "trl", "peft", "transformers", "datasets", "bitsandbytes", "accelerate"})
"""Libraries that take seconds to import."""
WORKER_MODULES = frozenset(f"selfplay/{name}.py" for name in ("engine", "trainer", "train_head", "train_track"))
"""Files that are only ever imported in a worker process, and so may import HEAVY at once."""
MODEL_MODULES = WORKER_MODULES | {f"selfplay/{name}.py" for name in ("generate", "train", "models", "weights")}
"""Files whose functions may import model libraries."""
MODEL_LIBRARIES = HEAVY - {"datasets"}
PRINTERS = frozenset({"sandbox/__main__.py"})
FORBIDDEN = {
    "sandbox": frozenset({"state", "selfplay", "run_loop"}),
    "state": frozenset({"selfplay", "run_loop"}),
    "selfplay": frozenset({"run_loop"}),
}
"""What each layer may not import; sandbox may import nothing but itself and the standard library besides."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import found in a file."""

    module: str
    """Absolute dotted name."""
    line: int
    at_import_time: bool
    """It runs when the file is imported: outside functions, and not under `if TYPE_CHECKING`."""

    @property
    def root(self) -> str:
        """First part of the dotted name."""
        return self.module.partition(".")[0]


def sources(root: Path) -> list[str]:
    """Return the product's Python files below `root`, as relative POSIX paths."""
    found = [path for layer in FORBIDDEN for path in (root / layer).rglob("*.py")]
    found += [path for path in [root / "run_loop.py"] if path.exists()]
    return sorted(path.relative_to(root).as_posix() for path in found)


def imports(root: Path, name: str) -> Iterator[Import]:
    """Yield every import of a file, calls of `import_module` and `__import__` with a literal name included."""
    package = name.removesuffix(".py").split("/")[:-1]

    def visit(node: ast.AST, at_import_time: bool) -> Iterator[Import]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for statement in node.body:
                yield from visit(statement, False)
            for statement in node.orelse:
                yield from visit(statement, at_import_time)
            return
        for module in named(node, package):
            yield Import(module, getattr(node, "lineno", 0), at_import_time)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, at_import_time and not inside)

    yield from visit(ast.parse((root / name).read_text(encoding="utf-8"), name), True)


def named(node: ast.AST, package: list[str]) -> list[str]:
    """Return the absolute names of the modules that one syntax node imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else []
        module = ".".join([*base, *([node.module] if node.module else [])])
        return [f"{module}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if function in {"import_module", "__import__"}:
            return [str(node.args[0].value)]
    return []


def wrong_directions(root: Path) -> list[str]:
    """Return the imports that point to a layer above, and what sandbox imports from elsewhere."""
    found = []
    for name in sources(root):
        layer = name.partition("/")[0]
        for item in imports(root, name):
            foreign = layer == "sandbox" and item.root not in sys.stdlib_module_names | {"sandbox"}
            if foreign or item.root in FORBIDDEN.get(layer, frozenset()):
                found.append(f"{name}:{item.line} imports {item.module}")
    return found


def early_imports(root: Path) -> list[str]:
    """Return the heavy imports that run when a module outside WORKER_MODULES is imported."""
    workers = {path.removesuffix(".py").replace("/", ".") for path in WORKER_MODULES}
    return [
        f"{name}:{item.line} imports {item.module}"
        for name in sources(root)
        if name not in WORKER_MODULES
        for item in imports(root, name)
        if item.at_import_time
        and (item.root in HEAVY or any(f"{item.module}.".startswith(f"{worker}.") for worker in workers))
    ]


def misplaced_imports(root: Path) -> list[str]:
    """Return the imports of model libraries outside MODEL_MODULES, wherever in the file they are."""
    return [
        f"{name}:{item.line} imports {item.module}"
        for name in sources(root)
        if name not in MODEL_MODULES
        for item in imports(root, name)
        if item.root in MODEL_LIBRARIES
    ]


def long_files(root: Path) -> list[str]:
    """Return the files with more than MAX_LINES lines."""
    counts = {name: len((root / name).read_text(encoding="utf-8").splitlines()) for name in sources(root)}
    return [f"{name} has {count} lines" for name, count in counts.items() if count > MAX_LINES]


def prints(root: Path) -> list[str]:
    """Return the calls of `print` outside PRINTERS."""
    return [
        f"{name}:{node.lineno}"
        for name in sources(root)
        if name not in PRINTERS
        for node in ast.walk(ast.parse((root / name).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


CHECKS = [wrong_directions, early_imports, misplaced_imports, long_files, prints]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_source_has_no(check: object) -> None:
    assert callable(check)
    assert check(ROOT) == []


def test_every_layer_is_looked_at() -> None:
    assert {name.partition("/")[0] for name in sources(ROOT)} >= set(FORBIDDEN)


@pytest.mark.skipif(not (ROOT / "run_loop.py").exists(), reason="there is no run_loop.py")
def test_help_imports_no_model_library() -> None:
    command = [sys.executable, "-X", "importtime", "run_loop.py", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "--rounds" in done.stdout
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "site" in loaded
    assert sorted(loaded & HEAVY) == []


@pytest.mark.parametrize(
    ("check", "name", "text"),
    [
        (wrong_directions, "sandbox/a.py", "import state.store"),
        (wrong_directions, "sandbox/a.py", "def f():\n    import numpy"),
        (wrong_directions, "state/a.py", "from selfplay import config"),
        (wrong_directions, "state/deep/a.py", "import importlib\nimportlib.import_module('selfplay.config')"),
        (wrong_directions, "selfplay/a.py", "from run_loop import main"),
        (early_imports, "selfplay/a.py", "import torch.nn"),
        (early_imports, "selfplay/a.py", "try:\n    from trl import DPOTrainer\nexcept ImportError:\n    pass"),
        (early_imports, "selfplay/a.py", "class A:\n    import vllm"),
        (early_imports, "run_loop.py", "from selfplay import trainer"),
        (early_imports, "selfplay/a.py", "from .engine import serve"),
        (early_imports, "selfplay/a.py", "if TYPE_CHECKING:\n    pass\nelse:\n    import peft"),
        (misplaced_imports, "selfplay/gate.py", "def f():\n    import torch"),
        (long_files, "selfplay/a.py", "x = 1\n" * (MAX_LINES + 1)),
        (prints, "run_loop.py", "print('done')"),
        (prints, "selfplay/a.py", "def f():\n    return [print(x) for x in 'ab']"),
    ],
)
def test_a_planted_fault_is_found(tmp_path: Path, check: object, name: str, text: str) -> None:
    assert callable(check)
    plant(tmp_path, name, text)
    assert len(check(tmp_path)) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sandbox/a.py", "import os.path\nfrom sandbox import b\nfrom . import c\nfrom .b import d"),
        ("sandbox/__main__.py", "print('ready')"),
        ("state/a.py", "import sqlite_utils\nimport sandbox"),
        ("selfplay/a.py", "import state.records\nimport sandbox\nfrom selfplay.config import Config"),
        ("selfplay/a.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from datasets import Dataset"),
        ("selfplay/a.py", "def f():\n    from selfplay import engine"),
        ("selfplay/train.py", "def f():\n    import torch"),
        ("selfplay/trainer.py", "import torch"),
        ("selfplay/a.py", "x = 1\n" * MAX_LINES),
        ("run_loop.py", "import selfplay\nimport sandbox\nimport state\ntext = 'print(1)'"),
    ],
)
def test_what_is_allowed_is_not_reported(tmp_path: Path, name: str, text: str) -> None:
    plant(tmp_path, name, text)
    assert [fault for check in CHECKS for fault in check(tmp_path)] == []


def plant(root: Path, name: str, text: str) -> None:
    """Write one source file below `root`."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
