# Everything that the README tells a newcomer to type. Needs make and Python 3.11 or newer; the rest goes into ./.venv.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.14 python3 python; do \
	if command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	then command -v $$p; break; fi; done)

VENV := .venv
MINUTES ?= 5
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test slow soak engines lint format bench lock clean

help: ## show this list
	@echo "qnode: a quantum internet that you can run"; echo
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "    make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.run ## set up ./.venv, then teleport a qubit between two processes
	$(BIN)/qnode run configs/teleportation.yaml

test: $(VENV)/.test ## set up ./.venv, then run all tests but the slow ones
	$(BIN)/python -m pytest -n logical --dist loadfile

slow: $(VENV)/.test ## the tests that take many seconds or many processes
	$(BIN)/python -m pytest -m slow

soak: $(VENV)/.test ## random faults for MINUTES=5 (or as many as you like), nothing lost
	QNODE_SOAK_MINUTES=$(MINUTES) $(BIN)/python -m pytest -q -m slow -o faulthandler_timeout=0 tests/soak

engines: $(VENV)/.engines ## the tests with hosts, a Docker and a Slurm of their own; .ci/engines installs those, as root
	QNODE_ENGINES=1 $(BIN)/python -m pytest -o faulthandler_timeout=900 tests/machines tests/containers tests/slurm

lint: $(VENV)/.dev ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev ## put the sources into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.test ## measure this machine
	$(BIN)/python -m benchmarks

lock: $(VENV)/.run ## choose the versions that docker/Dockerfile installs
	$(BIN)/python docker/lock.py

clean: ## remove ./.venv and what checks and tests leave behind
	rm -rf $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: what is installed is installed again only after pyproject.toml has changed.

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "qnode needs Python 3.11 or newer, and found none; install it, or name it: make PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(BIN)/python
	$(PIP) install -e .
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(PIP) install -e '.[test]'
	@touch $@ $(VENV)/.run

$(VENV)/.engines: pyproject.toml | $(BIN)/python
	$(PIP) install -e '.[test,engines]'
	@touch $@ $(VENV)/.test $(VENV)/.run

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(PIP) install -e '.[dev]'
	@touch $@ $(VENV)/.test $(VENV)/.run
