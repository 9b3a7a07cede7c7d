"""Worker: serves a script as engine.py serves a model."""

from __future__ import annotations

from pathlib import Path

from selfplay.channel import Channel, Json, serve
from tests.script import Script


def main(job: Json, channel: Channel) -> None:
    script = Script.read(Path(job["model"]))
    channel.send({"ready": True, "canary": "def add(a, b): return a + b", "start_s": 0.0})
    message = channel.receive()
    while True:
        assert message is not None
        message = answer_all(script, job["weights"], message, channel) or channel.receive()


def answer_all(script: Script, weights_id: str, asked: Json, channel: Channel) -> Json | None:
    """Answer a message's requests; stop at once when another message comes, and return that."""
    for request in asked["requests"]:
        if (other := channel.receive(script.delay_s)) is not None:
            return other
        texts = [script.reply(weights_id, request["id"], request["seed"], position) for position in range(request["n"])]
        completions = [{"text": text, "tokens": len(text) // 4 + 1, "finish_reason": "stop"} for text in texts]
        answer = {"request_id": request["id"], "prompt_tokens": 50, "completions": completions}
        channel.send({"batch": asked["batch"], "unfinished_tokens": 0})
        channel.send({"batch": asked["batch"], "answer": answer})
    return None


if __name__ == "__main__":
    serve(main)
