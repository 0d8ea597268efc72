# Two commands for a fresh machine: `make demo` and `make test`. Each makes its own environment.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: help demo paper test slow lint docs man fresh clean
help:  ## Show this help
	@grep -E '^[a-z]+:.*##' Makefile | awk -F ':.*## ' '{printf "  make %-6s %s\n", $$1, $$2}'

$(VENV)/ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

demo: $(VENV)/ready  ## Run the whole chain on synthetic steel; results in demo/
	PATH="$(abspath $(BIN)):$$PATH" sh examples/demo.sh demo

paper: $(VENV)/ready  ## Make the paper again, on synthetic steel or STEEL=FOLDER; results in paper/
	PATH="$(abspath $(BIN)):$$PATH" sh examples/paper.sh paper $(STEEL)

test: $(VENV)/ready lint  ## Lint, type-check and run the tests
	$(BIN)/python -m pytest --numprocesses 2 --quiet

slow: $(VENV)/ready  ## Run the tests that take minutes, an install without torch among them
	$(BIN)/python -m pytest --quiet -m slow

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tools/manpages.py --check

docs: $(VENV)/ready  ## Build the site in site/; warnings are errors
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -c docs . site

man: $(VENV)/ready  ## Write the man pages and completions again
	$(BIN)/python tools/manpages.py

fresh:  ## Run both commands on a bare Debian; needs root and half an hour
	tools/fresh.sh

clean:  ## Remove the environment, the demo and the site
	rm -rf $(VENV) demo paper site
