"""The `random` module, imported so that forking does not reseed it: every process seeds it itself, to the same numbers.

Imported by this name in the harness before anything else imports `random`.
"""

from __future__ import annotations

import os
import sys

_register = os.register_at_fork
os.register_at_fork = lambda **_: None
try:
    import random
finally:
    os.register_at_fork = _register


def seed(number: int) -> None:
    """Seed every global generator that is loaded."""
    random.seed(number)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(number % 2**32)
