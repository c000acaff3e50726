# Everyday commands; `make` alone lists them. Everything is called by its path in .venv, so that no
# environment has to be activated. Another interpreter: make venv PYTHON=/path/to/python3.13
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-for
PYTHON ?=
PYTHONS := $(or $(PYTHON),python3 python3.12 python3.13 python3.14)
EXAMPLE := specs/examples/digits
EDITOR_TESTS := tests/editor
# Many tests wait for Ray: two at once take half as long, also on two cores. A file's tests stay together, in order.
TEST_PROCESSES ?= 2
LANGUAGE_SERVER := $(EDITOR_TESTS)/node_modules/.package-lock.json
PEERS := $(VENV)/peers/.installed

# From what the package asks for to the newest that Ray has wheels for.
SUPPORTED := import sys, venv; sys.exit(not (3, 12) <= sys.version_info[:2] <= (3, 14))

# The scripts in .venv name the folder they were made in: where that is another one, begin anew.
ifneq "$(shell cat $(STAMP) 2>/dev/null)" "$(CURDIR)"
.PHONY: $(STAMP)
endif

.PHONY: help venv demo test check fuzz bench constraints clean
.DEFAULT_GOAL := help

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

venv: $(STAMP) ## make or refresh .venv

demo: venv ## run the digits example for real: prepare, train, evaluate, export
	$(BIN)/synapse-spec apply $(EXAMPLE)
	$(BIN)/synapse-spec status $(EXAMPLE)

test: venv $(LANGUAGE_SERVER) ## run the tests
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

check: venv ## lint, format, types, import floors, exported schemas
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/synapse-spec schema check specs/examples

fuzz: venv ## try 200,000 broken files; FUZZ_EXAMPLES=N tries N
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-200000} $(BIN)/python -m pytest --timeout 0 tests/spec/test_fuzz.py

bench: venv $(PEERS) ## measure the speed floors; takes about half an hour
	$(BIN)/python -m benchmarks

constraints: ## pin the newest of everything anew, in constraints.txt
	: >constraints.txt
	rm -rf $(VENV)
	$(MAKE) venv
	{ echo '# Pins of all that CI runs and builds with, made by `make constraints`.'; \
		$(BIN)/python -m pip freeze --exclude-editable; } >constraints.txt
	@touch $(STAMP)

clean: ## remove .venv, caches and builds
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf $(EDITOR_TESTS)/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# node and npm come with .venv. npm writes this file last.
$(LANGUAGE_SERVER): $(EDITOR_TESTS)/package-lock.json | $(STAMP)
	@$(BIN)/npm ci --prefix $(EDITOR_TESTS) --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

# What we are measured against has an environment of its own, so that it asks nothing of ours.
$(PEERS): benchmarks/requirements.txt | $(STAMP)
	@echo 'Installing DVC and Snakemake into $(@D), to measure against them.' >&2
	@$(BIN)/python -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install -qq --disable-pip-version-check -r $<
	@touch $@

# The constraints go by environment, so that they hold for the build environment too.
$(STAMP): pyproject.toml constraints.txt
	@if [ "$$(cat $@ 2>/dev/null)" != "$$(pwd -P)" ] || ! $(BIN)/python -c '$(SUPPORTED)' 2>/dev/null; then \
		$(call new_venv); \
	fi
	@echo 'Installing synapse-spec and what it needs into $(VENV); the first time takes a minute or two.' >&2
	@PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
		$(BIN)/python -m pip install -qq --disable-pip-version-check -e '.[examples,dev]'
	@pwd -P >$@

define new_venv
	found=; \
	for python in $(PYTHONS); do \
		"$$python" -c '$(SUPPORTED)' 2>/dev/null || continue; \
		found=$$python; \
		if "$$found" -c 'import ensurepip' 2>/dev/null; then break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo 'error: no Python 3.12 to 3.14 among: $(PYTHONS)' >&2; \
		echo '  Install one, or name it: make venv PYTHON=/path/to/python3.12' >&2; exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip' 2>/dev/null; then \
		echo "error: $$found has no ensurepip, which a virtual environment needs." >&2; \
		echo '  On Debian and Ubuntu: apt install python3-venv (or python3.12-venv, after its version)' >&2; exit 1; \
	fi; \
	"$$found" -m venv --clear $(VENV)
endef
