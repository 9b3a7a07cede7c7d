"""The `random` module, imported so that forking does not reseed it: every process seeds it itself, to the same numbers.

Imported by this name in the harness before anything else imports `random`.
"""

from __future__ import annotations

import os

_register = os.register_at_fork
os.register_at_fork = lambda **_: None
try:
    import random
finally:
    os.register_at_fork = _register

__all__ = ["random"]
