"""Measurements of this project: `python -m bench.NAME`."""
