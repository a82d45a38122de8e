# make run    start the app             make test   lint, types and all tests
# Each makes .venv when it is missing or older than the requirements, and then does its job.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PORT   ?= 8501
TESTS  ?= tests

.PHONY: run test lint format bench screenshots data clean help
.DEFAULT_GOAL := help

help:
	@echo "make run          start the app on port $(PORT)"
	@echo "make test         lint, types and all tests"
	@echo "make lint         ruff and mypy alone        make format   put files into ruff's format"
	@echo "make data         download all of MNIST into data/"
	@echo "make bench        the measurements of benchmarks/"
	@echo "make screenshots  the README's pictures again"

# What the app needs. The stamp is newer than the requirements once they are installed.
$(VENV)/.app: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with make PYTHON=python3.12 …")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "This Python lacks venv (on Debian: apt-get install python3-venv)." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --progress-bar off -r requirements.txt
	@touch $@

# What tests, checks and benchmarks need besides.
$(VENV)/.dev: $(wildcard requirements-*.txt) $(VENV)/.app
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --progress-bar off -r requirements-dev.txt
	@touch $@

run: $(VENV)/.app
	$(BIN)/python -m streamlit run streamlit_app.py --server.port $(PORT)

test: lint
	@$(BIN)/python -m tests.browser
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(TESTS)

lint: $(VENV)/.dev
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

format: $(VENV)/.dev
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

screenshots: $(VENV)/.dev
	@$(BIN)/python -m tests.browser
	$(BIN)/python assets/pictures/make_pictures.py

data: $(VENV)/.app
	$(BIN)/python -m mlcore data download

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
