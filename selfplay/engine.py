"""Worker: a vLLM engine that answers requests until its parent closes it.

Messages in:   {"batch": int, "requests": [...]}    replaces whatever is unfinished
Messages out:  {"ready": true, "canary": text, "start_s": s}
               {"batch": int, "answer": {...}}
               {"batch": int, "unfinished_tokens": int}    every second in which something was written: silence is
                                                           how the parent knows a stuck engine

On a CPU, prompts are never split over two steps: a request with a seed of its own would die with "CPU Generator does
not use offset". So chunked prefill is off there, and a step has room for the longest prompt.
"""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from selfplay.channel import Channel, Json, serve

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase
    from vllm import EngineArgs, SamplingParams
    from vllm.lora.request import LoRARequest
    from vllm.outputs import RequestOutput
    from vllm.v1.engine.llm_engine import LLMEngine

CANARY = "Write a Python function `add(a, b)` that returns the sum of its arguments."
CANARY_TOKENS = 32
PROGRESS_S = 1.0
STREAM_TOKENS = 16
"""Tokens of a reply that the engine hands over at once: enough to count by, without a Python object for each."""
BLOCK_TOKENS = 32
"""Replies to one prompt share its whole blocks on a CPU; the engine's own choice, 128, is longer than many prompts."""
STEP_TOKENS = 4096
"""Most prompt tokens in one step on a CPU, unless a single prompt may be longer."""


@dataclass
class Reply:
    """One completion while it grows."""

    text: list[str] = field(default_factory=list)
    tokens: int = 0
    finish_reason: str | None = None


@dataclass
class Open:
    """A request that is being answered."""

    prompt_tokens: int
    replies: list[Reply]
    copies: int
    """How often each reply is wanted."""

    def take(self, output: RequestOutput) -> None:
        """Add what a step has written."""
        for part in output.outputs:
            reply = self.replies[part.index]
            reply.text.append(part.text)
            reply.tokens += len(part.token_ids)
            reply.finish_reason = part.finish_reason or reply.finish_reason


class Engine:
    """The engine, its tokenizer, and the requests in hand."""

    def __init__(self, job: Json) -> None:
        # Nothing imported is ever garbage, and looking for it takes a fifth of the start.
        gc.disable()
        from vllm.lora.request import LoRARequest
        from vllm.v1.engine.llm_engine import LLMEngine

        gc.freeze()
        gc.enable()
        self.max_len: int = job["max_len"]
        self.engine: LLMEngine = LLMEngine.from_engine_args(engine_args(job))
        self.tokenizer: PreTrainedTokenizerBase = self.engine.get_tokenizer()
        self.lora: LoRARequest | None = None
        if job["adapter"] is not None:
            self.lora = LoRARequest(
                lora_name=f"adapter-{job['adapter']['id']}",
                lora_int_id=job["adapter"]["id"],
                lora_path=job["adapter"]["path"],
            )
        self.open: dict[str, Open] = {}

    def begin(self, request: Json) -> Json | None:
        """Take a request in; return its answer at once where its prompt leaves no room for a reply."""
        text = self.tokenizer.apply_chat_template(request["messages"], tokenize=False, add_generation_prompt=True)
        ids = self.tokenizer.encode(text + request["prefill"], add_special_tokens=False)
        # The engine refuses several greedy replies to one prompt: they are one reply, several times.
        distinct = request["n"] if request["temperature"] > 0 else 1
        entry = Open(
            prompt_tokens=len(ids), replies=[Reply() for _ in range(distinct)], copies=request["n"] // distinct
        )
        room = self.max_len - len(ids)
        if room < 1:
            for reply in entry.replies:
                reply.finish_reason = "length"
            return answer(request["id"], entry)
        self.open[request["id"]] = entry
        self.engine.add_request(
            request["id"],
            {"prompt_token_ids": ids},
            sampling(request, len(entry.replies), room),
            lora_request=self.lora,
        )
        return None

    def step(self) -> list[Json]:
        """Let every running request grow by a token; return the answers that are now complete."""
        done = []
        for output in self.engine.step():
            entry = self.open[output.request_id]
            entry.take(output)
            if output.finished:
                done.append(answer(output.request_id, self.open.pop(output.request_id)))
        return done

    def drop(self) -> None:
        """Forget every unfinished request."""
        if self.open:
            self.engine.abort_request(list(self.open))
            self.open.clear()

    def unfinished_tokens(self) -> int:
        """Return how many tokens of unfinished answers have been written, to within `STREAM_TOKENS` a reply."""
        return sum(reply.tokens for entry in self.open.values() for reply in entry.replies)


def answer(request_id: str, entry: Open) -> Json:
    """Return the message form of a finished request."""
    completions = [
        {"text": "".join(reply.text), "tokens": reply.tokens, "finish_reason": reply.finish_reason}
        for reply in entry.replies
        for _ in range(entry.copies)
    ]
    return {"request_id": request_id, "prompt_tokens": entry.prompt_tokens, "completions": completions}


def sampling(request: Json, n: int, room: int) -> SamplingParams:
    """Return the engine's form of a request's sampling settings, for `n` replies of at most `room` tokens."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        n=n,
        temperature=request["temperature"],
        top_p=request["top_p"],
        max_tokens=min(request["max_tokens"], room),
        seed=request["seed"],
        stop=list(request["stop"]),
        output_kind=RequestOutputKind.DELTA,
    )


def engine_args(job: Json) -> EngineArgs:
    """Return the engine's settings for this machine and job."""
    from vllm import EngineArgs

    settings: dict[str, Any] = {
        "model": job["model"],
        "dtype": "bfloat16",
        "seed": 0,
        "max_model_len": job["max_len"],
        "max_num_seqs": job["max_num_seqs"],
        "enable_prefix_caching": True,
        "disable_log_stats": True,
        "stream_interval": STREAM_TOKENS,
        "quantization": job["quantization"],
    }
    if job["adapter"] is not None:
        settings |= {"enable_lora": True, "max_lora_rank": job["adapter"]["max_rank"], "max_loras": 1}
    if job["cpu"]:
        settings |= {
            "kv_cache_memory_bytes": job["kv_cache_bytes"],
            "enforce_eager": not job["compile"],
            "block_size": BLOCK_TOKENS,
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": max(STEP_TOKENS, job["max_len"]),
        }
    else:
        settings["gpu_memory_utilization"] = job["gpu_memory_frac"]
    return EngineArgs(**settings)


def canary(engine: Engine) -> str:
    """Return the greedy reply to a fixed prompt: the same text at every start of the same weights, or greedy varies."""
    request = {
        "id": "canary",
        "messages": [{"role": "user", "content": CANARY}],
        "n": 1,
        "temperature": 0.0,
        "top_p": 1.0,
        "max_tokens": CANARY_TOKENS,
        "seed": None,
        "stop": [],
        "prefill": "",
    }
    found = [row for row in [engine.begin(request)] if row is not None]
    while engine.open:
        found += engine.step()
    return str(found[0]["completions"][0]["text"])


def main(job: Json, channel: Channel) -> None:
    """Answer batches of requests until the parent ends this process."""
    started = time.monotonic()
    engine = Engine(job)
    text = canary(engine)
    channel.send({"ready": True, "canary": text, "start_s": time.monotonic() - started})
    batch, told, written = 0, time.monotonic(), 0
    while True:
        message = channel.receive(timeout_s=0.0 if engine.open else None)
        if message is not None:
            engine.drop()
            batch = message["batch"]
            for request in message["requests"]:
                row = engine.begin(request)
                if row is not None:
                    channel.send({"batch": batch, "answer": row})
        if not engine.open:
            continue
        for row in engine.step():
            channel.send({"batch": batch, "answer": row})
        if time.monotonic() - told >= PROGRESS_S and (tokens := engine.unfinished_tokens()) != written:
            told, written = time.monotonic(), tokens
            channel.send({"batch": batch, "unfinished_tokens": tokens})


if __name__ == "__main__":
    serve(main)
