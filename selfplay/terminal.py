"""A terminal may go away, and a log's disk may fill up, while the run goes on: neither may end it.

What the run knows is in its database; the screen and the log only tell of it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from logging.handlers import RotatingFileHandler

from rich.console import Console, RenderableType

log = logging.getLogger(__name__)


def let_go(descriptor: int) -> None:
    """Make a descriptor lead nowhere: whoever writes to a terminal that is gone gets an error for it, every time."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def tell(console: Console, what: RenderableType) -> None:
    """Print, if there is anything to print to."""
    try:
        console.print(what)
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            let_go(console.file.fileno())  # or what is left in the buffer fails again at the exit


class ScreenLog(logging.StreamHandler):  # type: ignore[type-arg]
    """Log lines on the screen, as long as there is one."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Let a screen go that takes nothing any more."""
        if isinstance(sys.exc_info()[1], OSError):
            with contextlib.suppress(OSError, ValueError):
                let_go(self.stream.fileno())
        else:
            super().handleError(record)


class RunLog(RotatingFileHandler):
    """The run's log file; says once, elsewhere, that the disk does not take it."""

    refused = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Go on without the line."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self.refused:
            self.refused = True
            log.warning("the log %s cannot be written (%s); the run goes on without it", self.baseFilename, error)

    def close(self) -> None:
        """Close the file; what it does not take is lost."""
        with contextlib.suppress(OSError):
            super().close()
