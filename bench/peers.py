"""Other graders, fetched for comparison: kept in the user's cache, no part of the environment."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import platformdirs

ROOT = Path(__file__).resolve().parent.parent
EVALPLUS = "evalplus==0.3.1"


def evalplus() -> Path:
    """Return a folder that holds the package evalplus and nothing else; what it imports is in this environment."""
    folder = Path(platformdirs.user_cache_dir("selfplay")) / "peers" / EVALPLUS
    if not folder.exists():
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        uv = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
        options = ["--quiet", "--no-deps", "--target", str(part), "--python", sys.executable]
        subprocess.run([uv, "pip", "install", *options, EVALPLUS], check=True)
        part.rename(folder)
    return folder
