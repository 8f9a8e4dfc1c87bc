# `make demo` and `make test` set up everything they need in .venv. Needs Python 3.11+ and a C compiler.

# Processes of the tests: one a core, eight at most.
JOBS ?= $(shell n=$$(nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2); echo $$(( n < 8 ? n : 8 )))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
  command -v $$p >/dev/null 2>&1 && \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && \
  echo $$p && break; done)
BIN := .venv/bin
STAMP := .venv/.installed
# An environment whose Python has gone is made again.
BROKEN := $(shell test ! -e $(STAMP) || $(BIN)/python -c '' 2>/dev/null || rm -f $(STAMP))
DEMO := results/scratch/demo
# One thread a process: on small networks more threads only wait for each other.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help setup docs demo test test-all soak check style types numbers format report rtl constraints clean

help:
	@echo 'make setup     install into .venv (about 7 GB) and do no more'
	@echo 'make demo      set up, then compare all methods on scikit-learn digits (a few minutes)'
	@echo 'make test      set up, then all checks and the tests that take minutes'
	@echo 'make test-all  the same with the long tests'
	@echo 'make soak      5,000 damaged files, then runs killed a hundred times that must end in equal records'
	@echo 'make check     style, types, import rules, generated numbers'
	@echo 'make format    rewrite the code in the common style'
	@echo 'make report    rebuild tables, figures and the numbers in the pages from results/runs'
	@echo 'make docs      the pages of docs/ as a site in build/docs, without a network'
	@echo 'make rtl       the hardware simulations in full'

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { \
	  echo "cgap-cl needs Python 3.11 or newer, and there is none here ($$(python3 --version 2>&1))." >&2; \
	  echo "Name one with: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "cgap-cl needs Python 3.11 or newer; $(PYTHON) is $$("$(PYTHON)" --version 2>&1)." >&2; exit 1; }
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || "$(PYTHON)" -m venv --clear .venv
	@echo 'Installing into .venv (about 7 GB; some minutes the first time)'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

setup: $(STAMP)
	@echo 'Next: make demo, or see what there is with $(BIN)/cgap-cl --help'

demo: $(STAMP)
	$(ONE_THREAD) $(BIN)/cgap-cl run split-digits --output $(DEMO)
	@echo 'Next: open $(DEMO)/report.html, or see what else there is with $(BIN)/cgap-cl --help'

test: check
	$(ONE_THREAD) $(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal -m 'not slow'
	@echo 'All tests passed. Next: make demo'

test-all: check
	$(ONE_THREAD) $(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal
	@echo 'All tests passed, the long ones too. Next: make report'

soak: $(STAMP)
	CGAP_CL_FUZZ=5000 $(ONE_THREAD) $(BIN)/python -m pytest -q tests/bench/test_fuzz.py tests/bench/test_write_faults.py
	CGAP_CL_KILLS=100 $(ONE_THREAD) $(BIN)/python -m pytest -q -s tests/bench/run/test_kills.py

# Types and numbers side by side: each takes a minute or two of one core.
check: style
	@$(MAKE) --no-print-directory -j 2 types numbers

style: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy

numbers: $(STAMP)
	test ! -d results/runs || $(BIN)/cgap-cl report --check

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

report: $(STAMP)
	$(ONE_THREAD) $(BIN)/cgap-cl report
	@echo 'Next: open results/report.html'

rtl: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m pytest -q tests/hw/rtl
	cd hardware && $(ONE_THREAD) ../$(BIN)/python -m rtl.agreement

docs: $(STAMP)
	$(BIN)/python -m mkdocs build --quiet
	@echo 'Next: open build/docs/index.html'

# Only in a fresh .venv: whatever else is installed there would be pinned too.
constraints: $(STAMP)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --upgrade -e '.[dev]'
	{ head -n 1 constraints.txt; $(BIN)/python -m pip freeze --exclude-editable --all | grep -v '^pip=='; } > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis results/scratch
