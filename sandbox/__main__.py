"""`python -m sandbox FILE [TEST.py]`: run codes against tests, one JSON verdict a line.

FILE is JSON lines of {"code", "test", "entry_point"}, or `-` for standard input; without an entry point, the first
function of the code that the test names is taken. The exit status is 0 when every line got a verdict.

FILE may also be one Python file, with its test in a second one; without a test it need only load. The exit status is
then 0 for a pass and 1 for anything else.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import LEVELS, Limits, Sandbox, SandboxError, SandboxUnavailable, probe


def entry_point(code: str, test: str) -> str:
    """Return the first function or class of the code that the test names; the empty string if none is."""
    try:
        defined = [node.name for node in ast.parse(code).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
        named = {node.id for node in ast.walk(ast.parse(test)) if isinstance(node, ast.Name)}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    return next((name for name in defined if name in named), "")


def jobs(lines: Iterator[str]) -> Iterator[tuple[str, str, str]]:
    """Return code, test and entry point of each line.

    Raises:
        ValueError: A line is not such an object; the message gives its number.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row: dict[str, Any] = json.loads(line)
            code, test = row["code"], row["test"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f'line {number}: not a JSON object with "code" and "test": {error!r}') from error
        if not isinstance(code, str) or not isinstance(test, str):
            raise ValueError(f'line {number}: "code" and "test" must be text')  # noqa: TRY004 (bad input)
        yield code, test, str(row.get("entry_point") or entry_point(code, test))


def one(code: Path, test: Path | None) -> tuple[str, str, str]:
    """Return the job of one Python file and its test."""
    texts = [path.read_text(encoding="utf-8") if path is not None else "" for path in (code, test)]
    return texts[0], texts[1], entry_point(texts[0], texts[1])


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "file", nargs="?", help="JSON lines of {code, test, entry_point}, - for standard input; or CODE.py"
    )
    parser.add_argument("test", nargs="?", type=Path, help="the test of CODE.py")
    parser.add_argument("--level", default="auto", choices=("auto", *LEVELS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--wall", type=float, default=Limits().wall_s, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--library", action="append", default=[], metavar="NAME", help="a package that may be imported")
    parser.add_argument("--probe", action="store_true", help="say what each level does on this host, and end")
    options = parser.parse_args(arguments)
    if options.probe:
        for rung in probe().rungs:
            sys.stdout.write(f"{rung.level:9} {'works' if rung.works else 'no':6} {rung.why}\n")
        return 0
    if options.file is None:
        parser.error("a file is needed, or - for standard input")
    try:
        single = options.file.endswith(".py")
        if single:
            work = [one(Path(options.file), options.test)]
        else:
            text = sys.stdin.read() if options.file == "-" else Path(options.file).read_text(encoding="utf-8")
            work = list(jobs(iter(text.splitlines())))
        passed = True
        limits, libraries = Limits(wall_s=options.wall), tuple(options.library)
        with Sandbox(options.workers, options.level, limits, libraries) as box:
            run = lambda job: box.run(job[0], job[1], entry_point=job[2], seed=options.seed)  # noqa: E731
            with ThreadPoolExecutor(options.workers) as pool:
                for verdict in pool.map(run, work):
                    passed &= verdict.passed
                    sys.stdout.write(json.dumps({**asdict(verdict), "level": box.level}) + "\n")
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (SandboxUnavailable, SandboxError) as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 1 if single and not passed else 0


if __name__ == "__main__":
    sys.exit(main())
