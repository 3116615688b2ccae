# make tune   everything from nothing: install, search, a run, a SavedModel
# make test   install what tests need, and run them
# make check  what a change must pass: format, lint, types, tests
# make docs   the documentation, as pages that need no network: docs/_build/html/index.html
# make dist   what is released: source archive and wheel, both checked

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: tune test check lint format docs notebooks dist models-table clean

tune: .venv/installed
	$(BIN)/kerastextzoo tune --model cnn_lstm --max-trials 4 --epochs 6

test: .venv/installed-dev
	$(BIN)/python -m pytest --numprocesses 2

check: lint test

lint: .venv/installed-dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

format: .venv/installed-dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: .venv/installed-dev
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs docs/_build/html
	@echo docs/_build/html/index.html

# Runs the notebooks and keeps what they show.
notebooks: .venv/installed-dev
	$(BIN)/python notebooks/execute.py notebooks/*.ipynb

dist: .venv/installed-dev
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*

# Trains every model with its defaults, as the table in README.md shows them.
models-table: .venv/installed
	for model in cnn lstm cnn_lstm res_lstm rnn bilstm bilstm_attention rcnn dpcnn fasttext \
	  transformer; do $(BIN)/kerastextzoo train --model $$model --quiet; done
	for model in cnn lstm; do $(BIN)/kerastextzoo train --model $$model --set wide_ngrams=2 --quiet; done
	$(INSTALL) --editable '.[sentence]' && $(BIN)/kerastextzoo train --model sentence --quiet

clean:
	rm -rf .venv build dist docs/_build docs/_generated docs/notebooks *.egg-info .mypy_cache .pytest_cache .ruff_cache

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or newer is needed; got $$($(PYTHON) --version); give one: make PYTHON=python3.12 ..." >&2; exit 2; }
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python setup.cfg pyproject.toml constraints.txt
	$(INSTALL) --editable .
	touch $@

.venv/installed-dev: .venv/bin/python setup.cfg pyproject.toml constraints.txt
	$(INSTALL) --editable '.[dev,docs]'
	touch $@ .venv/installed
