"""What a run knows: records (the vocabulary), migrations (the schema's history), store (the only reads and writes)."""

from __future__ import annotations


class StoreError(Exception):
    """The run's database cannot be used, or refused a change.

    The message is for people: which file, what is wrong, what to do. Everything committed before it is kept.
    """
