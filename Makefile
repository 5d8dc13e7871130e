# Two commands do everything on a fresh machine with Python 3.11+, git and make: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test check conformance live bench format lock clean

help:            ## show this list
	@sed -n 's/^\([a-z]*\): .*## /  make \1\t/p' $(MAKEFILE_LIST)

demo: $(READY)   ## see it work here: invented messages become tickets, answers reach phones, until Ctrl-C
	@exec $(BIN)/inbox-daemon demo $(DEMO_ARGS)

test: $(READY)   ## run all tests; INBOX_REQUIRE_REAL=1 makes a missing real server a failure
	@$(BIN)/pytest $(PYTEST_ARGS)

check: $(READY)  ## ruff, mypy strict, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy

conformance: $(READY) ## play the contract suite over every ticketing adapter: connectors/CONFORMANCE.md
	@$(BIN)/python tests/contract/conformance.py $(CONFORMANCE_ARGS)

live: $(READY)   ## try one destination of your configuration for real: DEST=name [CONFIG=path] [ANSWER=seconds] [LIMITS=1]
	@test -n "$(DEST)" || { echo "say which destination: make live DEST=name" >&2; exit 64; }
	@$(BIN)/python tests/live "$(DEST)" $(if $(CONFIG),--config "$(CONFIG)") $(if $(ANSWER),--answer "$(ANSWER)") \
	  $(if $(PATIENCE),--patience "$(PATIENCE)") $(if $(LIMITS),--limits)

bench: $(READY)  ## durable acknowledgements as a ratio to a no-op handler, start-up time, memory
	@$(BIN)/python tests/load/bench.py

format: $(READY) ## put the code into its form
	@$(BIN)/ruff check -q --fix .
	@$(BIN)/ruff format -q .

lock:            ## renew the pinned requirements (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --extra postgresql pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --extra postgresql --group dev pyproject.toml -o requirements-dev.lock

clean:           ## remove what was built; servers and data under var/ stay
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# One install from the lock, without trusting anything that isn't pinned by its hash; then the project itself.
$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "inbox-daemon needs Python 3.11 or newer; set PYTHON=")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once) …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
