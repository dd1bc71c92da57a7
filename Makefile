# Every target makes its own environment in this checkout from a bare Python (3.11 or newer) with pip.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
RUN := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
DEMO_OUT ?= demo

.PHONY: demo test test-all lint bench env clean
env: $(VENV)/.ready

$(VENV)/.ready: requirements/lock.txt pyproject.toml scripts/bootstrap.py
	$(PYTHON) scripts/bootstrap.py $(VENV)

demo: env
	$(VENV)/bin/scresist demo --out $(DEMO_OUT)

test: env
	$(RUN) $(PY) -m pytest -q -n 2 --dist loadfile -m "not slow"

test-all: env
	$(RUN) $(PY) -m pytest -q -n 2 --dist loadfile
	$(PYTHON) scripts/test_newer_python.py

lint: env
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

bench: env
	$(PY) benchmarks/run_all.py

clean:
	rm -rf .venv .venv-newer .bootstrap demo build dist .pytest_cache .mypy_cache .ruff_cache
