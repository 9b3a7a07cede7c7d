"""Settings for every test."""

from __future__ import annotations

from hypothesis import settings

# The machine is shared: how long an example takes says nothing about the code.
settings.register_profile("selfplay", deadline=None)
settings.load_profile("selfplay")
