"""Measurements of the product, each a module: `python -m bench.NAME`."""
