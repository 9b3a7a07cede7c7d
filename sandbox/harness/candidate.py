"""The code side: runs the candidate once, then serves the calls of one test after another.

Each test is served by a fork, so that it finds the code as it was just after loading. No fork is needed where there is
one test only, or where the code has nothing that could change from one test to the next (`harness.stateless`). A test
brings a socket of its own; the only one of a row may be talked about over the link itself.

Nothing said here can make a pass: these processes only answer with values, and the judge compares them.
"""

from __future__ import annotations

import builtins
import math
import operator
import os
import resource
import socket
import sys
import time
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from . import wire
from .batch import Batch
from .outcome import CountedOutput, OutputLimit, classify, describe
from .peer import MARGIN_BYTES, SHARED_MODULES, Died, Peer, find_shared, shared
from .repeatable import seed
from .stateless import stateless

MODULE = "solution"
JOB_BYTES = 64 << 20
MUTABLE = frozenset({"L", "D", "S", "B", "C", "O", "E", "Q"})
REHEARSALS = 20
OUTPUT = CountedOutput(0)
STREAM = OUTPUT.text()
"""What the code prints to, made before the fork."""
COMPILE_ERRORS = (SyntaxError, ValueError, OverflowError, RecursionError)


def main(link: socket.socket) -> None:
    """Load the code that `link` brings first, then serve the judge at the other end."""
    inbox = wire.Inbox(link, with_fds=True)
    message = inbox.receive(JOB_BYTES)
    alone = len(message["cells"]) == 1
    shared = alone or stateless(message["code"])
    budget = None if alone and not message["tight"] else CpuBudget(message["cpu_s"], shared=shared)
    if not shared and not message["may_fork"]:
        wire.send(link, {"load": "alone"})
        return
    namespace, status, detail, output = load(message)
    is_class = isinstance(namespace.get(message["entry_point"]), type)
    wire.send(link, {"load": status, "detail": detail, "class": is_class})
    if status != "ok":
        return
    while True:
        try:
            request = inbox.receive(message["value_bytes"] + MARGIN_BYTES)
        except wire.Closed:
            return
        sock = wire.adopt(inbox.fds.pop()) if inbox.fds else None
        peer = CodePeer(sock or link, message["value_bytes"], namespace, output, None if sock else inbox)
        if shared:
            if budget is not None:
                budget.renew()
            used = time.process_time()
            ended = _serve_cell(peer, message, None if sock else request)
            cpu_s, rss = time.process_time() - used, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        else:
            pid = os.fork()
            if pid == 0:
                link.close()
                _serve_and_leave(peer, message)
            _, ended, usage = os.wait4(pid, 0)
            cpu_s, rss = usage.ru_utime + usage.ru_stime, usage.ru_maxrss
        if sock:
            sock.close()
        wire.send_done(link, request["cell"] if sock else message["cells"][0], ended, cpu_s, rss * 1024)


def warm_up() -> None:
    """Do often what a child does first, so that the interpreter has adapted to it before the fork."""
    before = (sys.stdout, sys.stderr, sys.argv)
    message: dict[str, Any] = {
        "code": "import math\n\ndef f(x, y=2):\n    return [v for v in range(x) if v % y == 0]\n",
        "seed": 0,
        "output_bytes": 1024,
        "value_bytes": 1 << 20,
    }
    for _ in range(REHEARSALS):
        stateless(message["code"])
        ours, theirs = socket.socketpair()
        with ours, theirs:
            wire.send(ours, {"op": "entry", "a": ["f", ["L", 3], ["D"]]})
            wire.send(ours, {"over": 0})
            namespace, _, _, output = load(message)
            peer = CodePeer(theirs, message["value_bytes"], namespace, output)
            if _serve_cell(peer, message, None) or wire.Inbox(ours).receive(1024) != {"ok": ["L", 0, 2]}:
                raise RuntimeError("the rehearsal went wrong")
    sys.stdout, sys.stderr, sys.argv = before
    del sys.modules[MODULE]


class CpuBudget:
    """CPU time of this process: the same for loading and for each test that it serves."""

    def __init__(self, cpu_s: int, *, shared: bool) -> None:
        """Set the limit; where tests are served by forks, for good."""
        self.cpu_s = cpu_s
        self.hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, self.hard if shared else cpu_s))

    def renew(self) -> None:
        """Allow the next test as much again."""
        limit = min(math.ceil(time.process_time()) + self.cpu_s, self.hard)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, self.hard))


def face_inwards() -> None:
    """Turn what the code sees of the outside to the harness's own."""
    sys.stdout = sys.stderr = STREAM
    sys.argv = [MODULE]


def load(message: dict[str, Any]) -> tuple[dict[str, Any], str, str, CountedOutput]:
    """Run the code's top level in a module of its own; return its names, a status and a detail."""
    output = OUTPUT
    output.left = message["output_bytes"]
    face_inwards()
    module = types.ModuleType(MODULE)
    sys.modules[MODULE] = module
    seed(message["seed"])
    try:
        compiled = compile(message["code"], f"<{MODULE}>", "exec", dont_inherit=True)
    except MemoryError:
        return {}, "syntax_error", "too deeply nested to compile", output
    except COMPILE_ERRORS as error:
        return {}, "syntax_error", describe(error), output
    try:
        exec(compiled, module.__dict__)  # noqa: S102 (this is what the process is for)
    except BaseException as error:  # noqa: BLE001 (whatever the code raises is its outcome)
        status, detail = classify(error, testing=False)
        return {}, status, f"while loading: {detail}", output
    if output.exceeded:
        return {}, "output", "printed more than the limit while loading", output
    return module.__dict__, "ok", "", output


def _serve_cell(peer: CodePeer, message: dict[str, Any], request: dict[str, Any] | None) -> int:
    """Answer a test until it ends; return a wait status."""
    seed(message["seed"])
    peer.output.left, peer.output.exceeded = message["output_bytes"], False
    try:
        peer.serve(request)
    except Died as ending:
        return 0 if ending.args == ("ended",) else 72 << 8
    return 0


def _serve_and_leave(peer: CodePeer, message: dict[str, Any]) -> NoReturn:
    status = 71
    try:
        status = os.waitstatus_to_exitcode(_serve_cell(peer, message, None))
    finally:
        os._exit(status)


def _call(function: Callable[..., object], arguments: list[object], keywords: dict[str, object]) -> object:
    return function(*arguments, **keywords)


OPERATIONS: dict[str, Callable[..., object]] = {
    "getattr": getattr,
    "setattr": setattr,
    "call": _call,
    "iter": iter,
    "next": next,
    "len": len,
    "bool": bool,
    "str": str,
    "repr": repr,
    "hash": hash,
    "int": int,
    "float": float,
    "index": operator.index,
    "getitem": operator.getitem,
    "setitem": operator.setitem,
    "delitem": operator.delitem,
    "contains": operator.contains,
    "eq": operator.eq,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "pow": operator.pow,
    "neg": operator.neg,
    "abs": abs,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "isinstance": isinstance,
    "issubclass": issubclass,
}


class CodePeer(Peer):
    """Answers a test's requests with the code's objects."""

    def __init__(
        self,
        sock: socket.socket,
        value_bytes: int,
        namespace: dict[str, Any],
        output: CountedOutput,
        inbox: wire.Inbox | None = None,
    ) -> None:
        super().__init__(sock, value_bytes, inbox)
        self.namespace = namespace
        self.output = output
        self.batch = Batch(self, self._result)

    def perform(self, name: str, arguments: list[Any]) -> dict[str, Any]:
        """Carry out an operation; whatever it raises is the answer."""
        try:
            answer: dict[str, Any]
            if name == "names":
                found = {n: self.encode(self.namespace[n]) for n in arguments if n in self.namespace}
                return {"ok": found}
            if name == "each":
                self.batch = Batch(self, self._result)
                answer = {"ok": self.batch.calls(self._defined(arguments[0]), arguments[1][1:])}
            elif name == "told":
                answer = self.batch.told(arguments[0])
            else:
                answer = self._operate(name, arguments)
        except Died:
            raise
        except BaseException as error:  # noqa: BLE001 (whatever the code raises is its answer)
            answer = {"x": self.exception_form(error)}
        if self.output.exceeded:
            answer = {"x": self.exception_form(OutputLimit("printed more than the limit"))}
        return answer

    def _operate(self, name: str, forms: list[Any]) -> dict[str, Any]:
        arguments = [self.decode(form) for form in forms]
        answer: dict[str, Any] = {}
        try:
            if name == "entry":
                name = "call"
                arguments[0] = self._defined(arguments[0])
            result = OPERATIONS[name](*arguments)
            answer["ok"] = self._result(result, arguments if name == "call" else [])
        except Died:
            raise
        except BaseException as error:  # noqa: BLE001 (whatever the code raises is its answer)
            answer["x"] = self.exception_form(error)
        if name == "call":
            changed = self._changed(forms, arguments)
            if changed:
                answer["m"] = changed
        return answer

    def _defined(self, name: str) -> object:
        if name not in self.namespace:
            raise NameError(f"name {name!r} is not defined")
        return self.namespace[name]

    def _result(self, result: object, arguments: Sequence[Any] = ()) -> object:
        if arguments and type(result) in (list, dict, set, bytearray):
            for index, argument in enumerate(arguments[1]):
                if argument is result:
                    return ["@", index]
        try:
            return self.encode(result)
        except wire.WireError:
            return self.opaque(result)

    def _changed(self, forms: list[Any], arguments: list[Any]) -> list[list[object]]:
        """Return `[index or name, new form]` of every argument that the call changed."""
        changed: list[list[object]] = []
        pairs = [(i, form, arguments[1][i]) for i, form in enumerate(forms[1][1:])]
        names = list(arguments[2])
        pairs += [(n, forms[2][2 + 2 * i], arguments[2][n]) for i, n in enumerate(names)]
        for where, form, value in pairs:
            if type(form) is list and form[0] in MUTABLE | {"T"}:
                now = self.encode(value)
                if now != form:
                    changed.append([where, now])
        return changed

    def opaque(self, value: Any) -> object:
        """Return the form of an object of the code's."""
        if isinstance(value, Callback) and value.owner is self:
            return ["h", value.number]
        if isinstance(value, types.ModuleType) and value.__name__ in SHARED_MODULES:
            return ["mo", value.__name__]
        if shared(value):
            return ["im", value.__module__, value.__qualname__]
        numpy: Any = sys.modules.get("numpy")
        if numpy is not None and isinstance(value, numpy.generic):
            return self.encode(value.item())
        number = self.keep(value)
        if isinstance(value, type):
            if issubclass(value, BaseException):
                return ["ex", number, self.exception_form(value.__new__(value))]
            return ["cl", number, value.__name__]
        if isinstance(value, Iterator):
            return ["it", number]
        if callable(value):
            return ["fn", number, str(getattr(value, "__name__", "function"))]
        return ["ob", number, type(value).__name__]

    def build(self, data: list[Any]) -> object:
        """Return the object that a form of the judge's stands for."""
        tag, number = data
        if tag == "h":
            return self.objects[number]
        if tag == "cb":
            return Callback(self, number)
        if tag == "en":
            return self.namespace[number]
        if tag == "bi":
            return getattr(builtins, number)
        if tag == "im":
            return find_shared(*number)
        raise wire.WireError(f"not a value: tag {tag!r}")


class Callback:
    """A function of the test's, called from the code."""

    def __init__(self, owner: CodePeer, number: int) -> None:
        self.owner = owner
        self.number = number

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Call the test's function and return what it returns."""
        owner = self.owner
        answer = owner.request("call", [self.number, owner.encode(list(args)), owner.encode(kwargs)])
        if "x" in answer:
            name = answer["x"][1]
            kind = getattr(builtins, name, Exception)
            raise kind(*owner.decode(answer["x"][3]))
        return owner.decode(answer["ok"])
