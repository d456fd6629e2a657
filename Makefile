# Two commands, from nothing: `make quickstart` and `make test`. `make help` lists the rest.
# They need python3 >= 3.11, pip and make; everything else goes into .venv.

PYTHON ?= python3
SEEDS ?= 3
JOBS ?= 2
PYTEST_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# A stamp is newer than what it was installed from; so the second call installs nothing.
STUDY_STAMP := $(VENV)/.installed-study
TEST_STAMP := $(VENV)/.installed-test
SOURCES := pyproject.toml constraints.txt

.PHONY: help quickstart test lint format clean distclean
.DELETE_ON_ERROR:

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

quickstart: $(STUDY_STAMP) ## install, compare the learning rules on real digits, print the table
	$(BIN)/bayesnn-spike study run studies/rules_on_digits --seeds $(SEEDS) --resume

test: lint ## install, run lint and the whole test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadscope $(PYTEST_ARGS)

lint: $(TEST_STAMP) ## check style, formatting and the layers of the package
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(TEST_STAMP) ## put the sources into the one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## delete caches and build output; keeps .venv and runs/
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## delete .venv as well
	rm -rf $(VENV)

$(BIN)/pip:
	@command -v $(PYTHON) >/dev/null || { \
		echo "No $(PYTHON) found: install Python 3.11 or newer, or name one: make PYTHON=..." >&2; \
		exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "bayesnn_spike needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) -V)." >&2; \
		echo "Name another one: make PYTHON=python3.12 ..." >&2; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)

$(STUDY_STAMP): $(SOURCES) | $(BIN)/pip
	$(PIP) install -c constraints.txt -e '.[study]'
	@touch $@

$(TEST_STAMP): $(SOURCES) | $(BIN)/pip
	$(PIP) install -c constraints.txt -e '.[test]'
	$(PIP) install -c constraints.txt --no-deps spikingjelly
	@touch $(STUDY_STAMP) $@
