"""The loop: everything between the sandbox, which judges, and the store, which remembers."""

__version__ = "0.1.0"
