# make setup | demo | test | coverage | test-docs | test-faults | test-stacks | test-wheel |
# lint | format | docs | docs-serve; each makes the virtual environment first
# where it is missing. STACK=onedl takes OneDL's stack, in .venv-onedl.
# STACK=oldest PYTHON=python3.9 takes the oldest versions, in .venv-oldest.
PYTHON ?= python3
STACK ?= openmmlab
VENV ?= $(if $(filter openmmlab,$(STACK)),.venv,.venv-$(STACK))
BIN = $(VENV)/bin
READY = $(VENV)/.ready
LEAST = $(if $(filter oldest,$(STACK)),9,11)
PINS = $(if $(filter oldest,$(STACK)),oldest,$(STACK) dev docs)

.PHONY: setup demo test coverage test-docs test-faults test-stacks test-wheel lint format docs docs-serve wheel

setup: $(READY)

$(READY): $(wildcard requirements/*.txt) pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, $(LEAST)) or sys.exit( \
	"The versions in requirements/ need Python 3.$(LEAST) or later, but $(PYTHON) " \
	f"is {v[0]}.{v[1]}. Name another: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install $(PINS:%=-r requirements/%.txt)
	$(BIN)/pip install --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)
	$(BIN)/mmnkd demo

# Files by name: by their number of tests, the longest would come last.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(COVERAGE) -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m 'not slow and not docs'

# The same tests, slower: they reach at least 95 % of the branches of mmnkd/.
coverage: COVERAGE = --cov
coverage: test

test-docs: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 tests/pages -m 'docs and not slow'

# Kills, hostile files, fuzzing, leaks: a quarter of an hour, with figures.
test-faults: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/faults -m slow

# The tests on each stack, README's table of versions; by hand, before a release.
test-stacks:
	OMP_NUM_THREADS=1 $(PYTHON) tests/stacks.py $(STACKS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: export NO_MKDOCS_2_WARNING = 1
docs: $(READY)
	$(BIN)/mkdocs build --clean

docs-serve: $(READY)
	$(BIN)/mkdocs serve

wheel: $(READY)
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/twine check --strict dist/*

# The wheel in an empty environment for each extra; by hand, before a release.
test-wheel: wheel
	tests/wheel.sh
