"""The curves of a training, written by transformers' own reporters (track.py).

A training that goes on from a restart point writes its curve anew, the steps before it as the restart point remembers
them: what the killed process had logged beyond that point, or half of a record, is in no curve. The steps before the
restart then bear its time.
"""

from __future__ import annotations

import copy
import shutil
import sqlite3
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback
from transformers.integrations import TensorBoardCallback, TrackioCallback

from selfplay.track import Curves, forget

CANNOT_WRITE = (OSError, sqlite3.Error, RuntimeError, ValueError)
"""What the libraries raise where a disk or a database does not take their data."""


class Reporter(TrainerCallback):  # type: ignore[misc]
    """One of transformers' reporters, until it fails."""

    def __init__(self, what: str, start: Callable[[], TrainerCallback], warn: Callable[[str], None]) -> None:
        """Report to what `start` returns; `warn` is told why nothing more is reported."""
        self.what, self.start, self.warn = what, start, warn
        self.inner: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin the curve, with what a restart point remembers of it."""
        try:
            self.inner = self.start()
        except CANNOT_WRITE as error:
            self._give_up(error)
        self._tell("on_train_begin", args, state, control, **kwargs)
        for row in list(state.log_history):
            then = copy.copy(state)
            then.global_step = row["step"]
            logs = {name: value for name, value in row.items() if name != "step"}
            self._tell("on_log", args, then, control, **kwargs | {"logs": logs})

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Add a point."""
        self._tell("on_log", args, state, control, **kwargs)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """End the curve."""
        self._tell("on_train_end", args, state, control, **kwargs)

    def _tell(self, event: str, *args: Any, **kwargs: Any) -> None:
        if self.inner is not None:
            try:
                getattr(self.inner, event)(*args, **kwargs)
            except CANNOT_WRITE as error:
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self.inner = None
        self.warn(f"the curves of {self.what} cannot be written ({error}); the training goes on without them")


def follow(trainer: Any, curves: Curves, name: str, warn: Callable[[str], None]) -> None:
    """Have what a trainer logs written to every viewer asked for, as a curve of this name."""

    def tensorboard() -> TrainerCallback:
        from torch.utils.tensorboard import SummaryWriter  # an extra

        folder = curves.folder / name
        if folder.exists():
            shutil.rmtree(folder)
        return TensorBoardCallback(SummaryWriter(str(folder)))

    def trackio() -> TrainerCallback:
        forget(curves.run, name)
        return TrackioCallback()

    trainer.args.project, trainer.args.run_name = curves.run, name
    for viewer, start in (("tensorboard", tensorboard), ("trackio", trackio)):
        if viewer in curves.to:
            trainer.add_callback(Reporter(f"{name} for {viewer}", start, warn))
