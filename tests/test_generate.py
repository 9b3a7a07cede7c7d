"""The generator: its bookkeeping with a scripted engine, and its promises with the real small model."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from selfplay import models
from selfplay.errors import HostError, UserError
from selfplay.generate import Answer, Generator, Request, VllmGenerator
from selfplay.sections import Generate
from selfplay.watchdog import Watchdog
from selfplay.worker_death import WorkerDied


class ScriptedEngine(VllmGenerator):
    worker_module = "tests.scripted_engine"


def ask(name: str, text: str = "hello", **changes: object) -> Request:
    fields: dict[str, object] = {
        "id": name,
        "messages": ({"role": "user", "content": text},),
        "n": 2,
        "temperature": 0.8,
        "top_p": 0.95,
        "max_tokens": 48,
        "seed": 1,
    }
    return Request(**(fields | changes))  # type: ignore[arg-type]


def scripted(folder: Path, *starts: tuple[int | None, str]) -> ScriptedEngine:
    steps = [{"die_after": after, "how": how} for after, how in starts or ((None, ""),)]
    (folder / "script.json").write_text(json.dumps(steps))
    return ScriptedEngine(folder, None, Generate(max_num_seqs=32), 512, folder / "engine.log", folder / "cache")


def seqs(folder: Path) -> list[int]:
    return [json.loads(line)["max_num_seqs"] for line in (folder / "starts.jsonl").read_text().splitlines()]


def test_every_request_is_answered_once_with_all_its_replies(tmp_path: Path) -> None:
    with scripted(tmp_path) as generator:
        checked: Generator = generator
        answers = list(checked.generate([ask("a", "tea"), ask("b", "milk", n=1)]))
    assert [answer.request_id for answer in answers] == ["a", "b"]
    assert [[part.text for part in answer.completions] for answer in answers] == [["tea 0", "tea 1"], ["milk 0"]]
    assert answers[0].prompt_tokens == 7
    assert generator.tokens_done == 15


def test_nothing_is_started_before_the_first_request_nor_for_none(tmp_path: Path) -> None:
    with scripted(tmp_path) as generator:
        assert list(generator.generate([])) == []
        assert generator.canary is None
        assert generator.pid is None
        list(generator.generate([ask("a")]))
        assert generator.canary == "start 0"
        assert generator.start_s == 0.5
        list(generator.generate([ask("a")]))
    assert len(seqs(tmp_path)) == 1


def test_progress_counts_finished_and_unfinished_tokens(tmp_path: Path) -> None:
    heard: list[int] = []
    with scripted(tmp_path) as generator:
        list(generator.generate([ask("a"), ask("b")], on_progress=heard.append))
    assert heard == [3, 13]


@pytest.mark.parametrize(("how", "expected"), [("memory", [32, 16]), ("crash", [32, 32])])
def test_a_death_in_the_middle_asks_again_only_for_what_is_missing(
    tmp_path: Path, how: str, expected: list[int]
) -> None:
    with scripted(tmp_path, (2, how), (None, "")) as generator:
        answers = list(generator.generate([ask(name) for name in "abcde"]))
        assert sorted(answer.request_id for answer in answers) == list("abcde")
        assert generator.canary == "start 1"
    assert seqs(tmp_path) == expected


def test_three_deaths_in_one_call_end_it(tmp_path: Path) -> None:
    with scripted(tmp_path, (1, "memory")) as generator:
        answers: list[Answer] = []
        with pytest.raises(WorkerDied, match="out of memory"):
            answers.extend(generator.generate([ask(name) for name in "abcde"]))
        assert len(answers) <= 3
    assert seqs(tmp_path) == [32, 16, 8]


def test_an_engine_that_cannot_start_is_not_started_again(tmp_path: Path) -> None:
    with scripted(tmp_path, (0, "unready")) as generator, pytest.raises(WorkerDied, match="no such architecture"):
        list(generator.generate([ask("a")]))
    assert len(seqs(tmp_path)) == 1


def test_an_engine_that_leaves_politely_is_a_failure_of_the_machine(tmp_path: Path) -> None:
    with scripted(tmp_path, (1, "quiet")) as generator, pytest.raises(HostError, match="without a word"):
        list(generator.generate([ask("a"), ask("b")]))


def test_answers_of_an_abandoned_call_do_not_reach_the_next_one(tmp_path: Path) -> None:
    with scripted(tmp_path) as generator:
        first = generator.generate([ask(name, "old") for name in "abcdef"])
        assert next(first).request_id == "a"
        del first
        answers = list(generator.generate([ask(name, "new") for name in "cd"]))
    assert [answer.completions[0].text for answer in answers] == ["new 0", "new 0"]


def test_a_closed_generator_starts_again_when_asked(tmp_path: Path) -> None:
    generator = scripted(tmp_path)
    list(generator.generate([ask("a")]))
    generator.close()
    generator.close()
    assert [answer.request_id for answer in generator.generate([ask("b")])] == ["b"]
    generator.close()


def test_two_requests_with_one_id_are_refused(tmp_path: Path) -> None:
    with scripted(tmp_path) as generator, pytest.raises(ValueError, match="same id"):
        list(generator.generate([ask("a"), ask("a")]))


def test_quantised_weights_are_refused_on_a_cpu(tmp_path: Path) -> None:
    generator = scripted(tmp_path)
    if not generator.on_cpu:
        pytest.skip("this machine has the GPU build of vLLM")
    with pytest.raises(UserError, match=r"generate\.quantization=fp8 needs a GPU"):
        VllmGenerator(tmp_path, None, Generate(quantization="fp8"), 512, tmp_path / "log", tmp_path)


def test_an_adapter_larger_than_the_engine_can_hold_is_refused(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"r": 1024}')
    with pytest.raises(UserError, match="lora_rank=1024"):
        VllmGenerator(tmp_path, tmp_path, Generate(), 512, tmp_path / "log", tmp_path)


@pytest.fixture(scope="module")
def small_model() -> Path:
    return models.resolve("smollm2-135m").folder


@pytest.fixture(scope="module")
def real(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmGenerator]:
    folder = tmp_path_factory.mktemp("engine")
    section = Generate(max_num_seqs=16, kv_cache_gib=0.5)
    cache = small_model.parent.parent
    with VllmGenerator(small_model, None, section, 1024, folder / "engine.log", cache) as generator:
        yield generator


def mixed_requests() -> Sequence[Request]:
    sizes = [3, 700, 40, 250, 9, 480, 120, 15]
    return [ask(str(i), "tea " * size, n=3, max_tokens=24, seed=100 * i) for i, size in enumerate(sizes)]


@pytest.mark.e2e
def test_seeded_replies_are_distinct_and_the_same_when_asked_again(real: VllmGenerator) -> None:
    request = ask("a", "Write a Python function that counts vowels.", n=4, temperature=1.0, top_p=1.0)
    first, second = next(real.generate([request])), next(real.generate([request]))
    assert len({part.text for part in first.completions}) == 4
    assert first == second
    other = next(real.generate([ask("a", "Write a Python function that counts vowels.", n=4, seed=77)]))
    assert other != first


@pytest.mark.e2e
def test_a_cache_too_small_for_the_longest_reply_is_told_with_what_helps(small_model: Path, tmp_path: Path) -> None:
    section = Generate(max_num_seqs=16, kv_cache_gib=0.01)
    cache, once = small_model.parent.parent, Watchdog(starts=1)
    with (
        VllmGenerator(small_model, None, section, 2048, tmp_path / "log", cache, once) as generator,
        pytest.raises(WorkerDied, match=r"out of memory.*lower model\.max_len.*generate\.kv_cache_gib"),
    ):
        list(generator.generate([ask("a")]))


@pytest.mark.e2e
def test_seeded_requests_of_mixed_lengths_are_all_answered(real: VllmGenerator) -> None:
    requests = mixed_requests()
    answers = {answer.request_id: answer for answer in real.generate(requests)}
    assert set(answers) == {request.id for request in requests}
    for answer in answers.values():
        assert all(0 < part.tokens <= 24 for part in answer.completions)
        assert all(part.finish_reason in {"stop", "length"} for part in answer.completions)


@pytest.mark.e2e
def test_a_prompt_without_room_for_a_reply_is_answered_with_nothing(real: VllmGenerator) -> None:
    answers = {answer.request_id: answer for answer in real.generate([ask("long", "tea " * 2000), ask("short")])}
    assert [(part.text, part.tokens, part.finish_reason) for part in answers["long"].completions] == [
        ("", 0, "length")
    ] * 2
    assert answers["long"].prompt_tokens > 1024
    assert answers["short"].completions[0].tokens > 0


@pytest.mark.e2e
def test_a_reply_goes_on_from_its_prefill_and_ends_before_its_stop_text(real: VllmGenerator) -> None:
    request = ask("a", "Count from one to nine in words.", n=1, temperature=0.0, prefill="one two three", stop=("six",))
    reply = next(real.generate([request])).completions[0]
    assert "four" in reply.text
    assert "one" not in reply.text
    assert "six" not in reply.text
    assert reply.finish_reason == "stop"


@pytest.mark.e2e
def test_a_call_that_was_left_early_does_not_disturb_the_next(real: VllmGenerator) -> None:
    left = real.generate([ask("short", max_tokens=2), *[ask(name, n=4, max_tokens=200) for name in "abc"]])
    assert next(left).request_id == "short"
    del left
    answers = list(real.generate([ask(name, "Say hello.", n=1, max_tokens=8) for name in "abc"]))
    assert sorted(answer.request_id for answer in answers) == list("abc")
    assert all(answer.completions[0].tokens <= 8 for answer in answers)


@pytest.mark.e2e
def test_several_greedy_replies_are_one_reply_several_times(real: VllmGenerator) -> None:
    first, second, third = next(real.generate([ask("a", n=3, temperature=0.0, max_tokens=8, seed=None)])).completions
    assert first.tokens > 0
    assert first == second == third


@pytest.mark.e2e
def test_a_killed_engine_is_replaced_and_every_request_answered_once(real: VllmGenerator) -> None:
    requests = mixed_requests()
    canary = real.canary
    stream = real.generate(requests)
    answers = [next(stream)]
    assert real.pid is not None
    os.kill(real.pid, signal.SIGKILL)
    answers += list(stream)
    assert sorted(answer.request_id for answer in answers) == [request.id for request in requests]
    assert real.canary == canary
