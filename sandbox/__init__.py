"""Runs untrusted Python: code against tests, with a verdict that the code cannot forge.

    with Sandbox(workers=2, level="auto", limits=Limits()) as box:
        verdict = box.run(code, test, entry_point="add")
        rows = box.run_matrix(codes, tests, entry_point="add")    # rows[j][k]: code j, test k

Two separate defences. *Containment* keeps the machine safe: every execution runs in a jail without network, files,
privileges or other processes (`sandbox.jail`, `sandbox.harness.seccomp`, `sandbox.harness.landlock`). *Integrity* keeps
the verdict true: the test runs in a jail of its own, in a process that never sees the code, and the code only answers
its calls with plain data (`sandbox.harness.judge`, `sandbox.harness.wire`). A test that needs the code's own objects is
run in one process with it, and its verdict says so (`trust="in_process"`).

A candidate's failure is a `Verdict`. A host's failure is `SandboxError`, after one retry; a host without isolation is
`SandboxUnavailable`. Neither is ever a verdict.

Not covered: unknown flaws of the kernel in the calls the filter allows; side channels of time and cache; proof of a
pass `in_process`. See docs/sandbox.md.
"""

from __future__ import annotations

from .box import Sandbox
from .canaries import CANARIES, canaries
from .probe import probe
from .verdicts import LEVELS, Limits, Report, Rung, SandboxError, SandboxUnavailable, Status, Trust, Verdict

__all__ = [
    "CANARIES",
    "LEVELS",
    "Limits",
    "Report",
    "Rung",
    "Sandbox",
    "SandboxError",
    "SandboxUnavailable",
    "Status",
    "Trust",
    "Verdict",
    "canaries",
    "probe",
]
