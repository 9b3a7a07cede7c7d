# `make run` and `make test` work on a fresh machine: python3 (3.11 or newer) with venv, make and git are all they ask for.
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
EXTRA := $(shell nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)
SYNCED := .venv/.synced-$(EXTRA)
RUN := $(UV) run --no-sync

.PHONY: run test lint bench bench-sandbox chaos docs env clean

run: env
	$(RUN) python run_loop.py --rounds 1 --preset auto

test: env
	$(RUN) pytest

lint: env
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy

bench: env
	$(RUN) python -m bench.generation
	$(RUN) python -m bench.training
	$(RUN) python -m bench.overhead

bench-sandbox: env
	$(RUN) python -m bench.sandbox

chaos: env
	$(RUN) python -m bench.chaos

docs: env
	$(RUN) python docs/build.py

env: $(SYNCED)

# Only when the lock has changed: a sync must not swap packages under a run in progress.
$(SYNCED): uv.lock pyproject.toml | $(UV)
	$(UV) sync --frozen --extra $(EXTRA)
	touch $@

# A private uv where the machine has none.
.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/python -m pip install --quiet 'uv>=0.9'

clean:
	rm -rf build .venv .uv .mypy_cache .ruff_cache .pytest_cache .hypothesis
