# Two commands matter: `make demo` (try it) and `make test` (everything that guards it). `make` alone lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PORT ?= 8600
PY := .venv/bin/python
PO := lms_plugin/translations/en/LC_MESSAGES/messages.po
MO := $(PO:.po=.mo)

.PHONY: help demo test quick fix pins migration strings bench venv venv-test clean

help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: venv  ## Try it: a demo district, the tool and a practice LMS (PORT=8600; RESET=1 starts afresh)
	@exec .venv/bin/nengli demo --port $(PORT) $(if $(filter 1 yes true,$(RESET)),--reset)

test: venv-test  ## Everything: format, lint, types, boundaries, tests on SQLite and PostgreSQL, browser journeys
	@exec $(PY) tools/check.py

quick: venv-test  ## Lint, types, boundaries and the tests without a browser on SQLite
	@exec $(PY) tools/check.py --quick

fix: venv-test  ## Put right what a tool can: format, simple lint, generated pages
	@.venv/bin/ruff check --fix --quiet . ; .venv/bin/ruff format --quiet .
	@$(PY) tools/errors_page.py ; $(PY) tools/settings_page.py ; $(PY) tools/licences.py

pins: venv-test  ## Write constraints.txt from what .venv holds (UPGRADE=1 takes the newest of everything first)
	@$(PY) tools/pins.py $(if $(filter 1 yes true,$(UPGRADE)),--upgrade)

migration: venv-test  ## Write a migration from the models: make migration m="what it does"
	@test -n '$(m)' || { echo 'say what it does: make migration m="add the column x"' >&2; exit 2; }
	@$(PY) tools/migration.py "$(m)"

strings: venv-test  ## Collect the pages' Chinese sentences into the English catalogue (and the block's into its Chinese)
	@$(PY) tools/strings.py ; $(PY) tools/block_strings.py

bench: venv-test  ## Measure a speed promise: make bench NAME=pages (or launch, ledger)
	@$(PY) $(firstword $(wildcard benchmarks/$(NAME)/__main__.py) benchmarks/$(NAME).py)

venv:
	@tools/venv.sh runtime
	@$(MAKE) --silent --no-print-directory $(if $(wildcard $(PO)),$(MO),nothing)

venv-test:
	@tools/venv.sh test
	@$(MAKE) --silent --no-print-directory $(if $(wildcard $(PO)),$(MO),nothing)

$(MO): $(PO)
	@.venv/bin/pybabel --quiet compile --input-file $< --output-file $@ --locale en

.PHONY: nothing
nothing:
	@:

clean:  ## Remove what was built; the demo's data in var/ stays
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
