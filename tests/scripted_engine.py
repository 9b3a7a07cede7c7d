"""Worker: speaks engine.py's messages without a model, and fails when its script says so.

`job["model"]` is a folder; `script.json` in it is a list with one entry a start:
{"die_after": answers or null, "how": "crash" | "memory" | "unready" | "quiet"}; the last entry serves further starts.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from selfplay.channel import Channel, Json, serve


def main(job: Json, channel: Channel) -> None:
    folder = Path(job["model"])
    record = folder / "starts.jsonl"
    number = len(record.read_text().splitlines()) if record.exists() else 0
    with record.open("a") as stream:
        stream.write(json.dumps({"max_num_seqs": job["max_num_seqs"]}) + "\n")
    steps = json.loads((folder / "script.json").read_text())
    step = steps[min(number, len(steps) - 1)]
    if step["how"] == "unready":
        raise RuntimeError("no such architecture")
    channel.send({"ready": True, "canary": f"start {number}", "start_s": 0.5})
    sent = 0
    while True:
        message = channel.receive()
        assert message is not None
        for request in message["requests"]:
            if sent == step["die_after"]:
                die(step["how"])
            channel.send({"batch": message["batch"], "unfinished_tokens": 3})
            channel.send({"batch": message["batch"], "answer": answer(request)})
            sent += 1


def answer(request: Json) -> Json:
    text = request["messages"][0]["content"]
    completions = [{"text": f"{text} {i}", "tokens": 5, "finish_reason": "stop"} for i in range(request["n"])]
    return {"request_id": request["id"], "prompt_tokens": 7, "completions": completions}


def die(how: str) -> None:
    if how == "memory":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "quiet":
        os._exit(0)
    raise RuntimeError("CUDA error: an illegal memory access was encountered")


if __name__ == "__main__":
    serve(main)
