"""Where problems come from, and which of them a round uses.

Three sources: the built-in set (tasks/*.jsonl), a JSONL file of the user's (plain or .gz), or a hub data set. Rows are
checked here, at the edge: what comes out of `load` has a prompt; its entry point is the name in its signature; its
reference and its reference tests are Python, and there only where there is a signature.

Not covered: whether a reference is right (the test suite runs the built-in ones); data sets too large for memory.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from selfplay.errors import UserError
from selfplay.problem_row import Row, checked, parse_signature
from state.records import Problem, content_id

log = logging.getLogger(__name__)

TASKS = Path(__file__).parent / "tasks"
PROMPT_COLUMNS = ("prompt", "text", "question", "instruction")
"""Columns of a hub data set that may hold the prompt; the first one that holds text is taken."""
NO_SIGNATURE = "the model gave no usable signature"
"""Why a problem was dropped that had none of its own."""
_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")

Fetch = Callable[[str], Iterable[Row]]


def load(source: str, *, data_dir: Path | None = None, fetch: Fetch | None = None) -> tuple[Problem, ...]:
    """Return every problem of a source, in its order, none twice.

    Args:
        source: "builtin", one file of it ("builtin:basics"), a JSONL file (.jsonl, .jsonl.gz), or a hub data set id.
        data_dir: Where a relative file is looked for when the working folder does not have it.
        fetch: Reads the rows of a hub data set; None is the `datasets` library.

    Raises:
        UserError: The source is not there, is empty, or a row of it is wrong; the message names file and line.
    """
    family, _, part = source.partition(":")
    if family == "builtin":
        paths = sorted(TASKS.glob("*.jsonl"))
        chosen = [path for path in paths if part in ("", path.stem)]
        if not chosen:
            raise UserError(f"{source!r}: the built-in problems are {', '.join(path.stem for path in paths)}")
        problems = _collect("builtin", (row for path in chosen for row in _read(path)))
    elif (path := _file(source, data_dir)) is not None:
        problems = _collect(path.name, _read(path))
    elif _HUB_ID.fullmatch(source):
        problems = _collect(source, _hub_rows(source, fetch or fetch_hub), drop_copies=True)
    else:
        raise UserError(
            f"{source!r} is no problem source: give 'builtin', a .jsonl file, or a hub id such as owner/name"
        )
    if not problems:
        raise UserError(f"{source}: no problems in it; each line holds one JSON object with at least a 'prompt'")
    return problems


def choose(problems: Sequence[Problem], per_round: int, seed: int, round_number: int) -> tuple[Problem, ...]:
    """Return the problems of one round: no problem comes again before every other one has had its turn.

    All rounds together walk through one shuffled order after another ("epochs"). Where a round takes the end of one
    order and the start of the next, the problems it already holds wait until it is full, so that no round has a
    problem twice. Dropped problems are left out. The result depends on the set of problems, not on their order.

    Args:
        problems: Of one source.
        per_round: Problems wanted; all of them where there are fewer.
        seed: The run's.
        round_number: Counts from 1.

    Raises:
        UserError: Every problem was dropped.
        ValueError: A count below 1.
    """
    if per_round < 1 or round_number < 1:
        raise ValueError(f"per_round and round_number count from 1, got {per_round} and {round_number}")
    usable = [problem for problem in problems if problem.dropped is None]
    if not usable:
        raise UserError(
            f"none of the {len(problems)} problems is left to use: all overlap with benchmark tasks; "
            "choose another problems.source, or set problems.decontaminate=false"
        )
    size = min(per_round, len(usable))
    start = size * (round_number - 1)
    last_epoch = (start + size - 1) // len(usable)
    taken: list[Problem] = []
    previous: list[Problem] = []
    for epoch in range(last_epoch + 1):
        shared = (epoch * len(usable)) % size  # how many of the round across this boundary the previous epoch filled
        previous = _order(usable, seed, epoch, previous[len(usable) - shared :] if shared else [], size - shared)
        first = epoch * len(usable)
        taken += previous[max(start - first, 0) : max(start + size - first, 0)]
    return tuple(taken)


def _order(problems: Sequence[Problem], seed: int, epoch: int, held: Sequence[Problem], needed: int) -> list[Problem]:
    """Return one epoch's order; the first `needed` problems are none of those the open round already holds."""
    shuffled = sorted(problems, key=lambda problem: content_id("choose", seed, epoch, problem.id))
    if not held:
        return shuffled
    ids = {problem.id for problem in held}
    head = [problem for problem in shuffled if problem.id not in ids][:needed]
    head_ids = {problem.id for problem in head}
    return head + [problem for problem in shuffled if problem.id not in head_ids]


def data_sha256(problems: Iterable[Problem]) -> str:
    """Return a hash of what the problems say; the order of the rows and the file's name are no part of it."""
    rows = sorted(
        [problem.id, problem.entry_point, problem.reference, problem.reference_tests, problem.dropped]
        for problem in problems
    )
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()


def fetch_hub(name: str) -> Iterable[Row]:
    """Return the rows of a hub data set: its "train" split, or the only one it has.

    Raises:
        UserError: No such data set, no network, or no way to tell which split is meant.
    """
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HfHubHTTPError

    try:
        splits = load_dataset(name)
    except (OSError, ValueError, DatasetsError, HfHubHTTPError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"hub data set {name!r} cannot be read: {reason}. Check the id and the network, or save it as a JSONL "
            "file with a 'prompt' on each line and give the file's name"
        ) from error
    if "train" not in splits and len(splits) != 1:
        raise UserError(
            f"hub data set {name!r} has the splits {', '.join(sorted(splits))} and none is 'train': "
            "save the one you want as a JSONL file and give the file's name"
        )
    rows: Iterable[Row] = splits["train"] if "train" in splits else next(iter(splits.values()))
    return rows


def is_here(source: str, data_dir: Path | None = None) -> bool:
    """Return whether a source lies on this machine: a file that is there, or the built-in set."""
    return source.partition(":")[0] == "builtin" or _found(source, data_dir) is not None


def same_source(a: str, b: str) -> bool:
    """Return whether two sources may be one: the same words, or files of one name in two places."""
    return a == b or (_names_file(a) and _names_file(b) and Path(a).name == Path(b).name)


def as_read(problem: Problem) -> Problem:
    """Return a stored problem as its source had it: without what a model has added to it."""
    if content_id(problem.prompt, None) != problem.id:
        return problem
    dropped = None if problem.dropped == NO_SIGNATURE else problem.dropped
    return replace(problem, signature=None, entry_point=None, dropped=dropped)


def _found(source: str, data_dir: Path | None) -> Path | None:
    path = Path(source).expanduser()
    places = (path, *([data_dir / path] if data_dir is not None else []))
    return next((place for place in places if place.is_file()), None)


def _names_file(source: str) -> bool:
    return source.endswith((".jsonl", ".jsonl.gz", ".json", ".gz")) or Path(source).expanduser().is_absolute()


def _file(source: str, data_dir: Path | None) -> Path | None:
    """Return the file that a source names, or None where it names no file."""
    if (path := _found(source, data_dir)) is not None:
        return path
    if Path(source).expanduser().is_dir():
        raise UserError(f"{source} is a folder: give one .jsonl file in it")
    if _names_file(source):
        raise UserError(f"{source}: no such file")
    return None


def _read(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield (place, row) for each line of a JSONL file that is not blank."""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path.name}: not UTF-8 text") from error
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path.name}: cannot be read: {error}") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{path.name}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{place}: not valid JSON: {error}") from error
        if not isinstance(row, dict):
            raise UserError(f"{place}: not a JSON object but a {type(row).__name__}; each line holds one {{...}}")
        yield place, row


def _hub_rows(name: str, fetch: Fetch) -> Iterator[tuple[str, Row]]:
    """Yield (place, row) with the prompt under its own name; the other fields count only next to a signature."""
    column: str | None = None
    for number, row in enumerate(fetch(name), start=1):
        if column is None:
            column = next((key for key in PROMPT_COLUMNS if isinstance(row.get(key), str)), None)
        if column is None:
            raise UserError(
                f"{name}: no column with a prompt; wanted one of {', '.join(PROMPT_COLUMNS)} with text in it, "
                f"found {', '.join(sorted(row))}"
            )
        fields: dict[str, object] = {"prompt": row.get(column)}
        if row.get("signature"):
            fields |= {
                key: row.get(key) or None for key in ("signature", "entry_point", "reference", "reference_tests")
            }
        yield f"{name}, row {number}", fields


def _collect(source: str, rows: Iterable[tuple[str, Row]], *, drop_copies: bool = False) -> tuple[Problem, ...]:
    """Return the rows as problems; a copy is an error in a file that the user can mend, and left out elsewhere."""
    problems: list[Problem] = []
    seen: dict[str | int, str] = {}
    content: dict[str, str] = {}
    unused = 0
    for place, raw in rows:
        row = checked(place, raw)
        measurable = row.signature is not None
        unused += not measurable and (row.reference or row.reference_tests) is not None
        if row.id is not None:
            if row.id in seen:
                raise UserError(f"{place}: id {row.id!r} is already used at {seen[row.id]}")
            seen[row.id] = place
        problem_id = content_id(row.prompt, row.signature)
        if problem_id in content:
            if drop_copies:
                log.info("%s: left out, same as %s", place, content[problem_id])
                continue
            raise UserError(f"{place}: same prompt and signature as {content[problem_id]}")
        content[problem_id] = place
        problems.append(
            Problem(
                id=problem_id,
                source=source,
                position=len(problems),
                prompt=row.prompt,
                signature=row.signature,
                entry_point=None if row.signature is None else parse_signature(row.signature),
                reference=row.reference if measurable else None,
                reference_tests=json.dumps(row.reference_tests) if measurable and row.reference_tests else None,
                dropped=None,
            )
        )
    if unused:
        log.warning("%s: %d problems have a reference but no signature: it is not used", source, unused)
    return tuple(problems)
