# `make demo` and `make test` are all a newcomer needs: each first sets up what it uses, in .venv.

.DEFAULT_GOAL := help
BIN := .venv/bin
# Processes that share the test files; each takes up to 3 GB.
JOBS := 2

.PHONY: help
help: ## list these targets
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 10

.PHONY: setup
setup: ## install everything into .venv; PYTHON=/path/to/python chooses the interpreter
	@PYTHON="$(PYTHON)" python3 scripts/setup.py

.PHONY: demo
demo: setup ## transcribe a short recording with the base model
	$(BIN)/whisper-jax transcribe tests/golden/data/jfk.flac --model base

.PHONY: test
test: lint types ## check style and types, then run all tests; ARGS="-k words" for some, JOBS=1 for one by one
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile $(ARGS)

.PHONY: check
check: test ## the same: lint, types, test

.PHONY: lint
lint: setup ## check style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

.PHONY: format
format: setup ## mend style and formatting
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: types
types: setup ## check types
	$(BIN)/basedpyright

.PHONY: clean
clean: ## remove what was set up and built
	rm -rf .venv .tools dist .pytest_cache .ruff_cache .hypothesis
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
