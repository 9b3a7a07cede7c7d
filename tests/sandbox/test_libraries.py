"""Code that imports a library finds it where the caller allows it, in jails of its own, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox import Limits, Sandbox, SandboxUnavailable, Status
from sandbox.libraries import entries

from .conftest import open_or_skip

pytestmark = pytest.mark.isolation

MEAN = "import numpy as np\ndef mean(xs):\n    return np.mean(xs)"
LIMITS = Limits(wall_s=5.0, cpu_s=6, memory_bytes=1 << 30)


@pytest.fixture(scope="module", params=["bwrap", "landlock"])
def equipped(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    open_or_skip(request.param).close()
    with Sandbox(workers=1, level=request.param, limits=LIMITS, libraries=("numpy",)) as box:
        yield box


def test_a_code_may_use_an_allowed_library_and_its_numbers_are_plain_to_the_test(equipped: Sandbox) -> None:
    verdict = equipped.run(MEAN, "assert mean([1, 2, 6]) == 3.0", entry_point="mean")
    assert (verdict.status, verdict.trust) == (Status.PASSED, "split"), verdict
    assert equipped.run(MEAN, "assert mean([1, 2, 6]) == 2.0", entry_point="mean").status is Status.FAILED


def test_an_array_stays_with_the_code_and_can_be_asked(equipped: Sandbox) -> None:
    code = "import numpy as np\ndef double(xs):\n    return np.array(xs) * 2"
    verdict = equipped.run(code, "assert double([1, 2]).tolist() == [2, 4]", entry_point="double")
    assert (verdict.status, verdict.trust) == (Status.PASSED, "split"), verdict


def test_a_test_that_imports_a_library_runs_in_one_process_with_the_code(equipped: Sandbox) -> None:
    test = "import numpy as np\nassert np.allclose(mean([1, 2]), 1.5)"
    verdict = equipped.run(MEAN, test, entry_point="mean")
    assert (verdict.status, verdict.trust) == (Status.PASSED, "in_process"), verdict


def test_a_librarys_random_numbers_repeat(equipped: Sandbox) -> None:
    code = "import numpy as np\ndef draw():\n    return float(np.random.rand())"
    drawn = [equipped.run(code, "assert draw() == 0, draw()", entry_point="draw", seed=s).detail for s in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_codes_with_and_without_a_library_share_a_matrix(equipped: Sandbox) -> None:
    plain = "def mean(xs):\n    return sum(xs) / len(xs)"
    rows = equipped.run_matrix(
        [MEAN, plain], ["assert mean([1, 3]) == 2", "assert mean([1, 3]) == 3"], entry_point="mean"
    )
    assert [[v.passed for v in row] for row in rows] == [[True, False]] * 2


@pytest.mark.parametrize("name", ["numpy", "pytest", "sandbox", "selfplay"])
def test_nothing_is_there_that_was_not_asked_for(box: Sandbox, name: str) -> None:
    verdict = box.run(f"import {name}\ndef f():\n    return 1", "assert f() == 1", entry_point="f")
    assert verdict.status is Status.EXCEPTION
    assert "No module named" in verdict.detail


def test_only_the_allowed_library_is_there(equipped: Sandbox) -> None:
    code = "import numpy\ndef f():\n    import torch\n    return 1"
    verdict = equipped.run(code, "assert f() == 1", entry_point="f")
    assert "No module named 'torch'" in verdict.detail, verdict


def test_a_library_that_is_not_installed_is_refused_by_name() -> None:
    with pytest.raises(SandboxUnavailable, match="nonesuch"):
        Sandbox(workers=1, libraries=("nonesuch",))


def test_a_library_brings_what_it_requires() -> None:
    assert {"numpy"} <= set(entries(("numpy",)))
    assert {"pydantic", "pydantic_core", "annotated_types"} <= set(entries(("pydantic",)))
    assert entries(()) == {}
