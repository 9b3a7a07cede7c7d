"""Packages that code in the sandbox may import beyond the standard library: which files they are made of."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

from .verdicts import SandboxUnavailable

_NAME = re.compile(r"[A-Za-z0-9._-]+")


def entries(libraries: tuple[str, ...]) -> dict[str, Path]:
    """Return the top-level files and folders of these packages and of all that they require, by name.

    Args:
        libraries: Names as they are imported.

    Raises:
        SandboxUnavailable: One is not installed beside this program.
    """
    providers = metadata.packages_distributions() if libraries else {}
    wanted = []
    for name in libraries:
        if name not in providers:
            raise SandboxUnavailable(
                f"the library {name!r} is not installed here, so code in the sandbox cannot import it:"
                f" install its package into this environment, or take it out of the sandbox's libraries"
            )
        wanted += providers[name]
    found: dict[str, Path] = {}
    seen: set[str] = set()
    while wanted:
        package = wanted.pop()
        if package.lower() in seen:
            continue
        seen.add(package.lower())
        try:
            distribution = metadata.distribution(package)
        except metadata.PackageNotFoundError:  # required on other systems only
            continue
        for file in distribution.files or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not top.endswith(".pth"):
                found[top] = Path(str(distribution.locate_file(top)))
        for requirement in distribution.requires or ():
            match = _NAME.match(requirement)
            if match is not None and "extra ==" not in requirement:
                wanted.append(match[0])
    return dict(sorted(found.items()))
