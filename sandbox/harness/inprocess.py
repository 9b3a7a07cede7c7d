"""The fallback for tests that need the code's own objects: both run in one process, with tripwires.

The host takes a pass from here only with exit status 0 seen by wait, exactly one record, this run's nonce in it, and no
tripwire noted; and even then labels it `in_process`.
"""

from __future__ import annotations

import ast
import os
import socket
import sys

from . import wire
from .candidate import JOB_BYTES, face_inwards, load
from .outcome import classify
from .repeatable import seed
from .testing import Test, compile_test, run_test
from .tripwires import Tripwires


def main(job: socket.socket) -> None:
    """Run the code, then the test, and say once what came of it."""
    message = wire.Inbox(job).receive(JOB_BYTES)
    nonce = message.pop("nonce")
    source = message.pop("test")
    entry_point = message["entry_point"]
    test = compile_test(source)
    wires = Tripwires()
    wires.guard_unittest()
    face_inwards()
    if test.code is not None:
        tree = ast.parse(source)
        wires.remember(tree)
        rewritten = compile(wires.rewrite(tree), "<test>", "exec", dont_inherit=True)
        test = Test(rewritten, free=test.free, functions=test.functions)
    for name in [name for name in sys.modules if name.partition(".")[0] == "harness"]:
        del sys.modules[name]
    wires.arm()
    send, leave, pid, own_pid = wire.send, os._exit, os.getpid(), os.getpid
    space, status, detail, output = load(message)
    if status == "ok":
        if test.code is None:
            status, detail = "syntax_error", f"the test: {test.error}"
        else:
            wires.compare()
            seed(message["seed"])
            status, detail = "passed", ""
            names = {name: space[name] for name in (*test.free, entry_point) if name in space}
            try:
                run_test(test, {**names, **wires.names()})
            except BaseException as error:  # noqa: BLE001 (whatever the test raises is its outcome)
                status, detail = classify(error, testing=True)
            wires.compare()
        if output.exceeded:
            status, detail = "output", "printed more than the limit"
    if wires.tripped:
        status, detail = "tampered", wires.tripped[0][:300]
    if own_pid() != pid:
        leave(74)
    send(job, [nonce, status, detail])
    leave(0)
