"""Benchmark tasks, the programs that replies stand for, pass@k; in the sandbox, right passes and wrong fails."""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import Sandbox, SandboxUnavailable, Status
from selfplay import benchmark_files
from selfplay.benchmark import data_sha256, load, pass_at_k
from selfplay.benchmark_files import DataFile
from selfplay.benchmark_task import Task, extract
from selfplay.errors import UserError

HUMANEVAL = load("humaneval")


def _task(number: int) -> Task:
    return HUMANEVAL[number]


def test_humaneval_comes_with_the_package_whole_and_in_order() -> None:
    assert [task.id for task in HUMANEVAL] == [f"HumanEval/{number}" for number in range(164)]
    assert len({task.entry_point for task in HUMANEVAL}) > 150
    for task in HUMANEVAL:
        assert task.text.strip() in task.messages[0]["content"]
        assert task.test.endswith(f"\ncheck({task.entry_point})")
        assert task.entry_point not in task.context


def test_a_limit_takes_the_first_tasks() -> None:
    assert load("humaneval", limit=3) == HUMANEVAL[:3]
    assert load("humaneval", limit=1000) == HUMANEVAL


def test_an_unknown_benchmark_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        UserError,
        match=r"unknown benchmark 'humanevil'; known are bigcodebench_complete, .*, humaneval, humaneval_plus, mbpp",
    ):
        load("humanevil")


def test_other_data_than_the_published_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "HumanEval.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"task_id": "HumanEval/0"}\n'))
    with pytest.raises(UserError, match=r"HumanEval\.jsonl\.gz is not the published file"):
        load("humaneval", data_dir=tmp_path)


def test_a_data_folder_without_the_file_leaves_the_package_s(tmp_path: Path) -> None:
    assert load("humaneval", data_dir=tmp_path, limit=1) == HUMANEVAL[:1]


def sanitized(monkeypatch: pytest.MonkeyPatch, folder: Path, rows: list[dict[str, object]]) -> None:
    """Make these rows the published file of sanitized MBPP."""
    content = json.dumps(rows).encode()
    (folder / "sanitized-mbpp.json").write_bytes(content)
    file = DataFile(name="sanitized-mbpp.json", sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(benchmark_files, "MBPP_SANITIZED", file)


TESTS = ["assert set(twice((1, 2))) == {2, 4}", "assert twice(()) == ()"]
CODE = "def one(x):\n    return x\ndef twice(rows):\n    return tuple(2 * one(row) for row in rows)"
ROW = {"prompt": "Double all.", "code": CODE, "test_imports": ["import math"], "test_list": TESTS}


def test_sanitized_mbpp_is_read_from_the_folder_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sanitized(monkeypatch, tmp_path, [ROW | {"task_id": number} for number in (10, 11, 510, 511)])
    monkeypatch.setenv(benchmark_files.DATA_DIR_VARIABLE, str(tmp_path))
    found = load("mbpp_sanitized")
    assert [task.id for task in found] == ["Mbpp/11", "Mbpp/510"]
    assert found[0].entry_point == "twice"
    assert found[0].test == "import math\n" + "\n".join(TESTS)
    assert TESTS[0] in found[0].messages[0]["content"]
    assert TESTS[1] not in found[0].messages[0]["content"]


def test_a_task_without_tests_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sanitized(monkeypatch, tmp_path, [ROW | {"task_id": 11, "test_list": []}])
    with pytest.raises(UserError, match=r"sanitized-mbpp\.json: task 11 has no tests"):
        load("mbpp_sanitized", data_dir=tmp_path)


def test_mbpp_is_asked_with_three_solved_tasks_and_every_assert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {
            "task_id": number,
            "text": f"Double all, {number}.",
            "code": CODE.replace("\n", "\r\n"),
            "test_setup_code": "import math\r\n" if number == 510 else "",
            "test_list": TESTS,
        }
        for number in (511, 510, 11, 10, 4, 3, 2)
    ]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    (tmp_path / "mbpp.jsonl").write_bytes(content)
    file = DataFile(name="mbpp.jsonl.gz", sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(benchmark_files, "MBPP", file)
    found = load("mbpp", data_dir=tmp_path)
    assert [task.id for task in found] == ["Mbpp/11", "Mbpp/510"]
    asked = found[0].messages[0]["content"]
    order = ["Double all, 2.", *TESTS, "[BEGIN]", CODE, "[DONE]", "Double all, 3.", "Double all, 4.", "Double all, 11."]
    places = [asked.index(part, 0 if part not in TESTS else asked.index("all, 2.")) for part in order]
    assert places == sorted(places)
    assert asked.endswith("\n".join(TESTS) + "\n")
    assert asked.count("[BEGIN]") == asked.count("[DONE]") == 3
    assert found[1].test == "import math\n\n" + "\n".join(TESTS)
    assert found[0].test == "\n".join(TESTS)
    program = extract(found[0], f"{CODE}\n[DONE]\n\nYou are an expert")
    assert [node.name for node in ast.parse(program).body if isinstance(node, ast.FunctionDef)] == ["one", "twice"]
    assert "expert" not in program
    assert "BEGIN" not in program


def test_the_data_hash_changes_with_anything_that_is_scored() -> None:
    first = data_sha256(HUMANEVAL)
    assert first == data_sha256(load("humaneval"))
    assert len({first, data_sha256(HUMANEVAL[1:]), data_sha256(HUMANEVAL[::-1]), data_sha256([])}) == 4


BODY = "    return number - int(number)"
WHOLE = f"def truncate_number(number):\n{BODY}"


@pytest.mark.parametrize(
    "reply",
    [
        WHOLE,
        f"{WHOLE}\n```\n\nThis works because of `int`.",
        f"{WHOLE}\n\n# Example\nprint(truncate_number(3.5))\nassert truncate_number(3.5) == 0.5\n",
        f"{WHOLE}\n\ndef test():\n    assert truncate_number(",
        f"import math\n\n{WHOLE}\n\nif __name__ == '__main__':\n    unittest.main()",
        f"```python\n{WHOLE}\n```",
        BODY,
        f"\n{BODY}\n",
        f"{BODY}\n```\nThat is all.",
    ],
    ids=["code", "closed", "examples", "cut off", "guard", "own fence", "body", "body after a line", "body, closed"],
)
def test_a_reply_becomes_the_program_it_stands_for(reply: str) -> None:
    task = _task(2)
    program = extract(task, reply)
    defined = [node for node in ast.parse(program).body if isinstance(node, ast.FunctionDef)]
    assert [node.name for node in defined] == ["truncate_number"]
    assert ast.unparse(defined[0].body[-1]) == BODY.strip()
    assert "print" not in program
    assert "This" not in program


@pytest.mark.parametrize(
    "reply", ["", "I cannot do that.", "def truncate_number(number", "def other(x):\n    return x"]
)
def test_a_reply_without_a_program_defines_nothing(reply: str) -> None:
    program = extract(_task(2), reply)
    assert reply in program
    try:
        tree = ast.parse(program)
    except SyntaxError:
        return
    assert "truncate_number" not in [getattr(node, "name", "") for node in tree.body]


def test_a_program_is_the_same_whether_or_not_generation_ended_at_the_stop() -> None:
    task = _task(2)
    stub = "def truncate_number(number):\n    pass"
    assert extract(task, f"{stub}\n```\n\nIn full:\n\n```python\n{WHOLE}\n```") == extract(task, stub)


def test_imports_of_the_problem_come_first_and_its_helpers_last() -> None:
    reply = (
        "from __future__ import annotations\ndef poly(xs, x):\n    return 0\ndef find_zero(xs):\n    return poly(xs, 0)"
    )
    program = extract(_task(32), reply)
    body = ast.parse(program).body
    assert [ast.unparse(node) for node in body[:2]] == ["from __future__ import annotations", "import math"]
    helpers = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == "poly"]
    assert "math.pow" in ast.unparse(helpers[-1])
    compile(program, "program", "exec")


def test_every_canonical_solution_is_its_own_program() -> None:
    for task in HUMANEVAL:
        for reply in (task.canonical, task.canonical[len(task.text) :]):
            tree = ast.parse(extract(task, reply))
            functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
            assert any(node.name == task.entry_point and len(node.body) > 1 for node in functions), task.id


def test_pass_at_1_is_the_share_of_right_samples() -> None:
    assert pass_at_k(1, 0, 1) == 0.0
    assert pass_at_k(1, 1, 1) == 1.0
    assert pass_at_k(10, 3, 1) == pytest.approx(0.3)


def test_pass_at_k_by_hand() -> None:
    """Of 4 samples 2 are right: 1 of the 6 ways to draw 2 has none, so 5/6; drawing 3 always meets a right one."""
    assert pass_at_k(4, 2, 2) == pytest.approx(5 / 6)
    assert pass_at_k(4, 2, 3) == 1.0
    assert pass_at_k(10_000, 1, 5000) == pytest.approx(0.5)


@pytest.mark.parametrize(("n", "c", "k"), [(1, 0, 2), (1, 2, 1), (1, -1, 1), (1, 1, 0), (0, 0, 1)])
def test_pass_at_k_refuses_counts_without_an_estimator(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match=r"not a count|no estimator"):
        pass_at_k(n, c, k)


@given(st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_mean_over_all_draws(counts: tuple[int, int, int]) -> None:
    n, c, k = counts
    draws = [bits for bits in range(2**n) if bits.bit_count() == k]
    assert pass_at_k(n, c, k) == pytest.approx(fmean((bits & (2**c - 1)) != 0 for bits in draws))
    assert math.comb(n, k) == len(draws)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    try:
        opened = Sandbox(workers=2)
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with opened:
        yield opened


@pytest.mark.isolation
def test_every_canonical_program_passes_its_test(box: Sandbox) -> None:
    failed = {}
    for task in HUMANEVAL:
        verdict = box.run(extract(task, task.canonical), task.test, entry_point=task.entry_point, seed=0)
        if verdict.status is not Status.PASSED:
            failed[task.id] = (verdict.status, verdict.detail)
    assert failed == {}


@pytest.mark.isolation
@pytest.mark.parametrize("body", ["pass", "return None", "return args[0]"])
def test_a_stub_fails_every_test(box: Sandbox, body: str) -> None:
    passed = []
    for task in HUMANEVAL[::8]:
        program = extract(task, f"def {task.entry_point}(*args):\n    {body}\n")
        verdict = box.run(program, task.test, entry_point=task.entry_point, seed=0)
        if verdict.status is Status.PASSED:
            passed.append(task.id)
    assert passed == []


@pytest.mark.isolation
def test_a_right_program_made_wrong_fails_its_test(box: Sandbox) -> None:
    passed = []
    for task in HUMANEVAL[::5]:
        name = task.entry_point
        wrong = f"def _wrong(right):\n    return lambda *args: [right(*args)]\n\n{name} = _wrong({name})"
        program = extract(task, f"{task.canonical}\n\n{wrong}\n")
        assert wrong in program
        verdict = box.run(program, task.test, entry_point=name, seed=0)
        if verdict.status is Status.PASSED:
            passed.append(task.id)
    assert passed == []


@pytest.mark.isolation
def test_a_reply_cannot_redefine_what_the_test_calls(box: Sandbox) -> None:
    task = _task(38)
    reply = "def encode_cyclic(s):\n    return s\n\ndef decode_cyclic(s):\n    return encode_cyclic(s)"
    verdict = box.run(extract(task, reply), task.test, entry_point=task.entry_point, seed=0)
    assert verdict.status is Status.FAILED
