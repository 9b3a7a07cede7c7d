"""Problem sources, the choice of a round's problems, and the built-in set."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay import problems
from selfplay.errors import UserError
from selfplay.problem_row import parse_signature
from state.records import Problem

ROOT = Path(__file__).parent.parent
PROMPT = "Return the bill of a taxi ride in cents: 300 for getting in and 25 for each started tenth of a kilometre."
GOOD = {
    "id": "a",
    "prompt": PROMPT,
    "signature": "def taxi_bill(tenths: int) -> int:",
    "entry_point": "taxi_bill",
    "reference": "def taxi_bill(tenths: int) -> int:\n    return 300 + 25 * tenths\n",
    "reference_tests": ["assert taxi_bill(0) == 300"],
}


def write(folder: Path, *rows: object, name: str = "mine.jsonl") -> str:
    path = folder / name
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return str(path)


def problem(prompt: str, signature: str | None = None, reference: str | None = None) -> Problem:
    return Problem(
        id=f"id of {prompt}",
        source="test",
        position=0,
        prompt=prompt,
        signature=signature,
        entry_point=None if signature is None else parse_signature(signature),
        reference=reference,
        reference_tests=None,
        dropped=None,
    )


# Sources


def test_a_row_of_a_file_becomes_a_problem_with_all_its_fields(tmp_path: Path) -> None:
    (found,) = problems.load(write(tmp_path, GOOD))
    assert (found.source, found.position, found.prompt) == ("mine.jsonl", 0, PROMPT)
    assert (found.signature, found.entry_point) == ("def taxi_bill(tenths: int) -> int:", "taxi_bill")
    assert found.reference == GOOD["reference"]
    assert json.loads(found.reference_tests or "") == GOOD["reference_tests"]
    assert found.dropped is None


def test_a_prompt_alone_is_a_problem(tmp_path: Path) -> None:
    (found,) = problems.load(write(tmp_path, {"prompt": "Add two numbers."}))
    assert (found.signature, found.entry_point, found.reference, found.reference_tests) == (None, None, None, None)


def test_the_id_depends_on_prompt_and_signature_and_on_nothing_else(tmp_path: Path) -> None:
    (first,) = problems.load(write(tmp_path, GOOD))
    (other_name,) = problems.load(write(tmp_path, {**GOOD, "id": "z", "reference": None}, name="other.jsonl"))
    (other_prompt,) = problems.load(write(tmp_path, {**GOOD, "prompt": PROMPT + " "}))
    (no_signature,) = problems.load(write(tmp_path, {"prompt": PROMPT}))
    assert first.id == other_name.id
    assert len({first.id, other_prompt.id, no_signature.id}) == 3


def test_the_entry_point_comes_from_the_signature_and_a_missing_colon_is_added(tmp_path: Path) -> None:
    (found,) = problems.load(write(tmp_path, {"prompt": "x", "signature": " def go(a: int = 1) -> int "}))
    assert (found.signature, found.entry_point) == ("def go(a: int = 1) -> int:", "go")


def test_a_reference_without_a_signature_is_not_used_and_said_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    row = {"prompt": "x", "reference": "not even Python", "reference_tests": ["assert f() == 1"]}
    (found,) = problems.load(write(tmp_path, row))
    assert (found.reference, found.reference_tests) == (None, None)
    assert "1 problems have a reference but no signature" in caplog.text


def test_a_gzipped_file_reads_like_a_plain_one(tmp_path: Path) -> None:
    plain = write(tmp_path, GOOD)
    packed = tmp_path / "mine.jsonl.gz"
    packed.write_bytes(gzip.compress(Path(plain).read_bytes()))
    assert problems.data_sha256(problems.load(str(packed))) == problems.data_sha256(problems.load(plain))


def test_a_relative_file_is_looked_for_in_the_data_folder_too(tmp_path: Path) -> None:
    write(tmp_path, GOOD, name="only-here.jsonl")
    assert len(problems.load("only-here.jsonl", data_dir=tmp_path)) == 1


def test_blank_lines_and_a_byte_order_mark_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n\r\n")
    assert len(problems.load(str(tmp_path / "x.jsonl"))) == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{'prompt'}", "line 2: not valid JSON"),
        ("[1]", "line 2: not a JSON object but a list"),
        ({}, "line 2: 'prompt' is missing"),
        ({"prompt": 7}, "line 2: 'prompt': Input should be a valid string"),
        ({"prompt": " "}, "line 2: 'prompt': is empty"),
        ({"prompt": "\ud800"}, "line 2: 'prompt': holds half a surrogate pair"),
        ({"prompt": "x", "signature": "def f(:"}, "line 2: 'signature' is not Python"),
        ({"prompt": "x", "signature": "f(x)"}, "line 2: 'signature' is not"),
        ({"prompt": "x", "signature": "def f(): x"}, "line 2: 'signature' is not one line such as"),
        ({"prompt": "x", "signature": "def f(): y; x"}, "line 2: 'signature' is not one line such as"),
        ({"prompt": "x", "signature": "@g\ndef f():"}, "line 2: 'signature' is not one line such as"),
        ({"prompt": "x", "signature": "class F:"}, "line 2: 'signature' is not one line such as"),
        ({"prompt": "x", "signature": "def f(\0):"}, "line 2: 'signature' is not Python"),
        ({"prompt": "x", "entry_point": "f"}, "line 2: 'entry_point' needs a 'signature'"),
        ({**GOOD, "entry_point": "fare"}, "line 2: 'entry_point' is 'fare', but the signature defines 'taxi_bill'"),
        ({**GOOD, "reference": "def taxi_bill("}, "line 2: 'reference' is not Python"),
        ({**GOOD, "reference": "def other(): pass"}, "line 2: 'reference' does not define 'taxi_bill'"),
        ({**GOOD, "reference_tests": "assert 1"}, "line 2: 'reference_tests': Input should be a valid list"),
        ({**GOOD, "reference_tests": ["assert 1", "x = 1"]}, r"line 2: 'reference_tests\[1\]' is not one assert"),
        ({**GOOD, "id": "first", "prompt": "y"}, "line 2: id 'first' is already used at mine.jsonl, line 1"),
        ({"prompt": "first prompt"}, "line 2: same prompt and signature as mine.jsonl, line 1"),
    ],
)
def test_a_wrong_row_is_named_by_file_and_line(tmp_path: Path, row: object, message: str) -> None:
    path = write(tmp_path, {"id": "first", "prompt": "first prompt"}, row)
    with pytest.raises(UserError, match=f"^mine.jsonl, {message}") as caught:
        problems.load(path)
    assert "\n" not in str(caught.value)


def test_a_source_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl.gz").write_bytes(b"no gzip")
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b"x" * 500)[:-9])
    (tmp_path / "latin.jsonl").write_bytes(b'{"prompt": "\xe9"}')
    for source, message in {
        str(tmp_path / "none.jsonl"): "no such file",
        str(tmp_path): "is a folder",
        str(tmp_path / "bad.jsonl.gz"): "cannot be read",
        str(tmp_path / "cut.jsonl.gz"): "cannot be read",
        str(tmp_path / "latin.jsonl"): "not UTF-8",
        write(tmp_path, "", name="empty.jsonl"): "no problems in it",
        "what is this": "is no problem source",
    }.items():
        with pytest.raises(UserError, match=message):
            problems.load(source)


class Hub:
    """A hub that holds one data set."""

    def __init__(self, *rows: Mapping[str, object]) -> None:
        self.rows = rows
        self.asked: list[str] = []

    def __call__(self, name: str) -> tuple[Mapping[str, object], ...]:
        self.asked.append(name)
        return self.rows


def test_the_prompt_column_of_a_hub_data_set_is_the_first_known_one_with_text() -> None:
    hub = Hub({"question": "q", "text": "t", "prompt": [{"role": "user"}]}, {"question": "r", "text": "u"})
    found = problems.load("owner/name", fetch=hub)
    assert [(item.prompt, item.source, item.signature) for item in found] == [
        ("t", "owner/name", None),
        ("u", "owner/name", None),
    ]
    assert hub.asked == ["owner/name"]


def test_hub_rows_lose_copies_and_keep_fields_only_next_to_a_signature() -> None:
    bare = {"prompt": "p", "entry_point": "f", "signature": ""}
    first, second = problems.load("owner/name", fetch=Hub(bare, bare, GOOD))
    assert (first.entry_point, second.entry_point, second.reference) == (None, "taxi_bill", GOOD["reference"])


def test_a_hub_data_set_without_a_known_column_names_those_it_has() -> None:
    with pytest.raises(UserError, match=r"wanted one of prompt, text, question, instruction .* found answer, task"):
        problems.load("owner/name", fetch=Hub({"task": "x", "answer": "y"}))


def test_a_hub_that_cannot_be_reached_is_a_user_error_with_a_way_out() -> None:
    script = (
        "import sys\nfrom selfplay import errors, problems\n"
        "try:\n    problems.load('nobody/no-such-data-set')\n"
        "except errors.UserError as error:\n    sys.exit(f'said: {error}')\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    said = done.stderr.splitlines()[-1]
    assert said.startswith("said: hub data set 'nobody/no-such-data-set' cannot be read")
    assert "save it as a JSONL file" in said


# Choice

SETS = st.integers(1, 23).map(lambda count: tuple(problem(f"p{index}") for index in range(count)))


@given(pool=SETS, per_round=st.integers(1, 30), seed=st.integers(0, 5), rounds=st.integers(1, 12))
def test_no_problem_comes_twice_before_all_others_had_their_turn(
    pool: tuple[Problem, ...], per_round: int, seed: int, rounds: int
) -> None:
    used: Counter[str] = Counter({item.id: 0 for item in pool})
    for number in range(1, rounds + 1):
        chosen = problems.choose(pool, per_round, seed, number)
        assert len({item.id for item in chosen}) == len(chosen) == min(per_round, len(pool))
        used.update(item.id for item in chosen)
        assert max(used.values()) - min(used.values()) <= 1


@given(pool=SETS, per_round=st.integers(1, 30), seed=st.integers(0, 5), number=st.integers(1, 12))
def test_the_choice_is_the_same_again_and_in_any_order_of_the_problems(
    pool: tuple[Problem, ...], per_round: int, seed: int, number: int
) -> None:
    assert problems.choose(pool[::-1], per_round, seed, number) == problems.choose(pool, per_round, seed, number)


def test_another_seed_gives_another_choice() -> None:
    pool = tuple(problem(f"p{index}") for index in range(40))
    assert len({problems.choose(pool, 5, seed, 1) for seed in range(10)}) == 10


def test_dropped_problems_are_never_chosen_and_none_left_is_a_user_error() -> None:
    pool = (problem("a"), replace(problem("b"), dropped="near a task"))
    assert [item.prompt for item in problems.choose(pool, 5, 0, 3)] == ["a"]
    with pytest.raises(UserError, match="none of the 1 problems is left"):
        problems.choose(pool[1:], 5, 0, 1)
    with pytest.raises(ValueError, match="count from 1"):
        problems.choose(pool, 5, 0, 0)


def test_the_data_hash_ignores_order_and_sees_every_change() -> None:
    first, second = problem("a"), problem("b")
    known = problems.data_sha256([first, second])
    assert problems.data_sha256([second, replace(first, source="elsewhere", position=9)]) == known
    assert problems.data_sha256([first]) != known
    assert problems.data_sha256([first, replace(second, dropped="x")]) != known
    assert problems.data_sha256([first, replace(second, reference_tests="[]")]) != known


# The built-in set


def test_the_built_in_set_is_large_and_every_problem_in_it_can_be_measured() -> None:
    found = problems.load("builtin")
    assert len(found) >= 120
    assert len({item.id for item in found}) == len({item.entry_point for item in found}) == len(found)
    assert all(item.source == "builtin" and item.signature and item.reference for item in found)
    assert all(6 <= len(json.loads(item.reference_tests or "[]")) <= 10 for item in found)
    assert [item.position for item in found] == list(range(len(found)))


def test_one_file_of_the_built_in_problems_can_be_asked_for() -> None:
    everything, basics = problems.load("builtin"), problems.load("builtin:basics")
    assert 0 < len(basics) < len(everything)
    assert {problem.id for problem in basics} <= {problem.id for problem in everything}


def test_an_unknown_file_of_the_built_in_problems_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="basics"):
        problems.load("builtin:nothing")
