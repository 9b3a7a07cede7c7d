"""`run_loop.py try`: one prompt, answered by the base model and by the champion or another adapter of a run.

The run's lock is held meanwhile: a run that is being played is left alone, and none begins while this command's model
is up. The two model processes come one after the other, as in a round. Weights that the run has merged are used where
they are; others are merged into a folder below `merged/` that goes away at the end, and with the run's next start where
this process was killed.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from sandbox import Sandbox
from selfplay import config, prompts, session, startup
from selfplay.choice import checked_folder, choose
from selfplay.commands import OK, find_base, guarded, stored
from selfplay.config import Config
from selfplay.engines import Weights
from selfplay.errors import HostError, UserError
from selfplay.generate import Completion, Request, VllmGenerator
from selfplay.models import ModelFiles
from selfplay.room import MARGIN_BYTES, free_bytes, serves_merged, size, weights_bytes
from selfplay.session import Session, run_folder
from selfplay.watch import owner
from state.records import Adapter, Problem, Promotion, Round, Run
from state.store import Store

SCRATCH = "try-"
"""How the names of folders of merged weights begin that are this command's own."""

FindModel = Callable[[Config, Console], ModelFiles]
Serve = Callable[[Session, Path], Callable[[Weights], VllmGenerator]]
"""Makes what starts a model process, from the run and the folder for weights that it has not merged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line says."""

    prompt: str | None = None
    """"-" is standard input."""
    problem: str | None = None
    """Entry point or id of a problem of the run."""
    adapter: str | None = None
    """As `choice.choose` takes it; None is the champion."""
    max_tokens: int | None = None
    """None is the run's `generate.code_max_tokens`."""
    temperature: float = 0.0
    """0 is greedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What both are asked."""

    title: str
    messages: tuple[prompts.Message, ...]
    problem: Problem | None
    """The run's problem that it is, whose tests then tell whether an answer is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer."""

    who: str
    text: str
    tokens: int
    seconds: float
    """Without loading the model, to within the start of a process."""
    cut: bool
    """It ended for want of room."""
    verdict: str | None
    """What the problem's reference tests say; None where no problem was asked."""
    passed: bool | None
    """None where there is nothing to pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of it."""

    run: str
    model: str
    title: str
    max_tokens: int
    temperature: float
    seed: int | None
    replies: tuple[Reply, ...]
    """The base model's, then the other's if there is another."""

    @property
    def same(self) -> bool:
        """Two answers, with the same text."""
        return len(self.replies) == 2 and self.replies[0].text == self.replies[1].text


def try_prompt(
    name: str,
    runs_dir: Path,
    wanted: Wanted,
    *,
    find_model: FindModel = find_base,
    serve: Serve = startup.vllm_generator,
) -> int:
    """Print both answers to a prompt or a problem of the run."""

    def show() -> int:
        from selfplay.trial_view import render_trial

        trial = _try(name, runs_dir, wanted, find_model, serve)
        console = Console()
        console.print(render_trial(trial), soft_wrap=not console.is_terminal)
        return OK

    return guarded(show)


def _try(name: str, runs_dir: Path, wanted: Wanted, find_model: FindModel, serve: Serve) -> Trial:
    text = _prompt(wanted)
    folder, screen = run_folder(runs_dir, name), Console(stderr=True)
    with ExitStack() as stack:
        store = stack.enter_context(stored(name, runs_dir))
        if (process := owner(folder)) is not None:
            raise UserError(
                f"run {name!r} is being played by process {process.pid}, and a second model would take its memory; "
                "stop it with Ctrl-C (the same command continues it) or wait for its end"
            )
        stack.enter_context(session.private())
        stack.enter_context(session.owned(folder))  # what is read below stays as it is
        run = store.all(Run)[0]
        settings = config.from_json(run.config)
        question = _question(store, settings, wanted.problem, text)
        adapter = _adapter(store, name, folder, wanted.adapter)
        box = None
        if question.problem is not None and question.problem.reference_tests:
            box = startup.open_sandbox(settings, stack)
        current = Session(
            folder=folder, config=settings, store=store, run=run, model=_model(run, settings, find_model), tasks={}
        )
        start = serve(current, stack.enter_context(_scratch(folder)))
        request = Request(
            id="try" if question.problem is None else f"try:{question.problem.id}",
            messages=question.messages,
            n=1,
            temperature=wanted.temperature,
            top_p=settings.generate.top_p if wanted.temperature else 1.0,
            max_tokens=wanted.max_tokens or settings.generate.code_max_tokens,
            seed=settings.seed if wanted.temperature else None,
        )
        weights = [("base model", Weights(id=run.model_sha256, adapter=None))]
        if adapter is not None:
            _check_room(current, adapter)
            weights.append((_called(store, adapter), Weights(id=adapter.id, adapter=folder / str(adapter.path))))
        return Trial(
            run=name,
            model=run.model,
            title=question.title,
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            seed=request.seed,
            replies=tuple(_reply(who, start, each, request, question, box, screen) for who, each in weights),
        )


def _prompt(wanted: Wanted) -> str:
    """Return the prompt's text, empty where a problem is asked."""
    if (wanted.prompt is None) == (wanted.problem is None):
        raise UserError(
            'say what to ask: a prompt in quotes, "-" to read it from standard input, or --problem ENTRY_POINT '
            "(one of them)"
        )
    if wanted.prompt is None:
        return ""
    text = sys.stdin.read() if wanted.prompt == "-" else wanted.prompt
    if not text.strip():
        raise UserError("the prompt is empty: say what to ask")
    return text


def _question(store: Store, settings: Config, wanted: str | None, text: str) -> Question:
    if wanted is None:
        return Question(title=text, messages=({"role": "user", "content": text},), problem=None)
    named = [problem for problem in store.all(Problem) if problem.signature is not None]
    found = [problem for problem in named if wanted in (problem.entry_point, problem.id)]
    if len(found) != 1:
        if found:
            raise UserError(
                f"{len(found)} problems have the entry point {wanted!r}; "
                f"give one's id instead: {', '.join(problem.id for problem in found)}"
            )
        known = sorted({problem.entry_point or "" for problem in named})
        more = f" and {len(known) - 10} more (table problems)" if len(known) > 10 else ""
        raise UserError(
            f"no problem of the run has the entry point {wanted!r}; there are {', '.join(known[:10])}{more}"
        )
    (problem,) = found
    messages = prompts.pair_messages(problem.prompt, problem.signature or "", concat=settings.select.concat)
    return Question(title=f"{problem.entry_point}: {problem.prompt}", messages=messages, problem=problem)


def _adapter(store: Store, run: str, folder: Path, wanted: str | None) -> Adapter | None:
    """Return the adapter that is compared with the base model; None where the base model leads.

    Raises:
        UserError: There is none like the one asked for.
        DiskFailed: Its files are not what was trained.
    """
    if wanted is None and not store.all(Promotion, promoted=True):
        return None
    adapter = choose(store, run, wanted)
    checked_folder(folder, adapter)
    return adapter


def _round(store: Store, adapter: Adapter) -> str:
    turn = store.get(Round, adapter.round_id)
    outcome = f", {turn.outcome}" if turn is not None and turn.outcome is not None else ""
    return f"round {turn.number}{outcome}" if turn is not None else "of no round"


def _called(store: Store, adapter: Adapter) -> str:
    promoted = store.all(Promotion, promoted=True)
    leads = bool(promoted) and promoted[-1].candidate_id == adapter.id
    return f"{'champion, ' if leads else ''}adapter {adapter.id[:8]} ({_round(store, adapter)})"


def _model(run: Run, settings: Config, find_model: FindModel) -> ModelFiles:
    found = find_model(settings, Console(stderr=True))
    if found.sha256 != run.model_sha256:
        raise UserError(
            f"the weights of {run.model} here ({found.sha256[:12]}) are not those that run {run.name!r} was played "
            f"with ({run.model_sha256[:12]}); put those back"
        )
    return found


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Make a folder for merged weights that goes away, and remove what a killed process has left of its own."""
    merged = folder / "merged"
    merged.mkdir(exist_ok=True)
    for left in merged.glob(f"{SCRATCH}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=merged) as name:
        yield Path(name)


def _check_room(current: Session, adapter: Adapter) -> None:
    merged = current.folder / "merged"
    if not serves_merged(current.config.generate) or (merged / adapter.id).exists():
        return
    needed, free = weights_bytes(current.model.folder) + MARGIN_BYTES, free_bytes(merged)
    if needed > free:
        raise HostError(
            f"the disk of {merged} has {size(free)} free, and the merged weights need {size(needed)}; make room and "
            "repeat the same command"
        )


def _reply(
    who: str,
    start: Callable[[Weights], VllmGenerator],
    weights: Weights,
    request: Request,
    question: Question,
    box: Sandbox | None,
    screen: Console,
) -> Reply:
    completion, seconds = _ask(who, start, weights, request, screen)
    passed, verdict = (None, None) if question.problem is None else _judged(completion.text, question.problem, box)
    return Reply(
        who=who,
        text=completion.text,
        tokens=completion.tokens,
        seconds=seconds,
        cut=completion.finish_reason == "length",
        verdict=verdict,
        passed=passed,
    )


def _ask(
    who: str, start: Callable[[Weights], VllmGenerator], weights: Weights, request: Request, screen: Console
) -> tuple[Completion, float]:
    """Return a model's answer and how long it took; its process has ended by then."""
    with screen.status(f"loading: {who}") as status, start(weights) as generator:
        begun = time.monotonic()
        (answer,) = generator.generate([request], lambda tokens: status.update(f"{who}: {tokens} tokens"))
        seconds = time.monotonic() - begun - (generator.start_s or 0.0)
    return answer.completions[0], max(0.0, seconds)


def _judged(text: str, problem: Problem, box: Sandbox | None) -> tuple[bool | None, str]:
    """Return whether an answer's code passes the reference tests, and that in words."""
    code = prompts.parse_code(text, problem.entry_point or "")
    if code.defect is not None:
        return False, f"no code to test: {code.defect.replace('_', ' ')}"
    if box is None:
        return None, "the problem has no reference tests"
    tests: list[str] = json.loads(problem.reference_tests or "[]")
    verdict = box.run(code.source, "\n".join(tests), entry_point=problem.entry_point or "", seed=0)
    count = "the reference test" if len(tests) == 1 else f"the {len(tests)} reference tests"
    if verdict.passed:
        return True, f"passes {count}"
    return False, f"does not pass {count}: {verdict.detail or verdict.status.value}"
