# `make demo` to see it, `make test` to check it, `make serve` to run it for real.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
PORT ?= 3002
HOST ?= 127.0.0.1
# Workers receive each other's messages through Redis; without it there can be only one.
WORKERS ?= $(if $(REDIS_URL),2,1)

.PHONY: help demo test long check js format messages serve lock services screens faults conformance bench bench-history bench-nearby bench-webhooks coverage nox clean

help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

demo: $(VENV)/.run  ## Set up and run the demo on http://localhost:3002/ (SPEED=10: ten times as fast)
	@$(BIN)/python manage.py demo --port $(PORT) --speed $(or $(SPEED),1)

test: check js services  ## Set up the tests' services and run the tests
	$(BIN)/python -m pytest -m "not alone and not long" --numprocesses 2 --dist loadfile --no-loadscope-reorder
	$(BIN)/python -m pytest -m "alone and not long"

check: $(VENV)/.dev  ## Check style, types, layers, migrations and settings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check

js:  ## Check the types of the browser client and run its tests
	@if command -v npm >/dev/null; then \
		cd tests/js && npm ci --no-audit --no-fund --silent && node_modules/.bin/tsc -p . && node --test && node --test document/asyncapi.js; \
	else \
		echo "Node.js and npm are not installed: THE BROWSER CLIENT IS NOT TESTED."; \
	fi

format: $(VENV)/.dev  ## Format the code and fix its style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

messages: $(VENV)/.dev  ## Write the catalogues of translations, after a change of a text
	$(BIN)/python -m scripts.messages

serve: export DEBUG = 0
serve: $(VENV)/.run  ## Serve in production: DATABASE_URL, REDIS_URL, SECRET_KEY, JWT_SIGNING_KEY, ALLOWED_HOSTS
	$(BIN)/python manage.py migrate --no-input
	$(BIN)/python manage.py collectstatic --no-input --verbosity 0
	exec $(BIN)/python manage.py serve --host $(HOST) --port $(PORT) --workers $(WORKERS)

# Locked versions stay as they are, unless requirements*.txt or UPGRADE says otherwise.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

lock: $(VENV)/.dev  ## Write the lock files, after a change of requirements*.txt (UPGRADE=1: with newer indirect dependencies)
	$(COMPILE) requirements.txt --output-file requirements.lock
	$(COMPILE) requirements-dev.txt --constraint requirements.lock --output-file requirements-dev.lock
	$(COMPILE) requirements-services.txt --no-deps --output-file requirements-services.lock
	$(COMPILE) tests/conformance/requirements.txt --constraint requirements-dev.lock --output-file tests/conformance/requirements.lock

long: services  ## Run the tests that take long and rarely break
	$(BIN)/python -m pytest -m "long and not alone" --numprocesses 2 --dist loadfile
	$(BIN)/python -m pytest -m "long and alone"

screens: services  ## Take pictures of every page in every state into artefacts/screens/, and check them with axe
	cd tests/js && npm ci --no-audit --no-fund --silent
	$(BIN)/python -m pytest tests/screens --numprocesses 2 --dist load

faults: services  ## Make services fail, and write the figures into docs/reliability.md
	$(BIN)/python -m pytest tests/faults --faults

conformance: $(VENV)/.dev  ## Run the tests of the packages that we extend against our classes
	$(BIN)/python -m tests.conformance

bench: services  ## Measure this project and its peers, in ten minutes (QUICK=1: in two)
	if command -v npm >/dev/null; then cd benchmarks/peers/node && npm ci --no-audit --no-fund --silent; fi
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick)

bench-history: services  ## Measure the history with 50 million fixes, in half an hour (ROWS=5000000: in eight minutes)
	$(BIN)/python -m benchmarks.history --rows $(or $(ROWS),50000000)

bench-nearby: services  ## Measure searches for the nearest of 100,000 drivers, in eight minutes
	$(BIN)/python -m benchmarks.nearby

bench-webhooks: services  ## Measure the delivery of events to webhooks, in three minutes
	$(BIN)/python -m benchmarks.webhooks

coverage: services  ## Show the lines and branches of tracking/ that in-process tests reach
	mkdir -p .coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m "not alone" --numprocesses 2 --dist loadfile tests/tracking tests/accounts tests/ridehail
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

nox: $(VENV)/.dev  ## Test on every installed Python, every Django, and the lowest versions
	$(BIN)/nox

clean:  ## Remove all files that make and the tests have made
	rm -rf $(VENV) .nox .coverage .make staticfiles artefacts .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.venv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version + ". Give another with: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.run: requirements.lock | $(VENV)/.venv
	$(PIP) -r requirements.lock
	touch $@

$(VENV)/.dev: requirements-dev.lock | $(VENV)/.venv
	$(PIP) -r requirements-dev.lock
	touch $@

# No stamp: it is quick, and notices a program that was removed since.
services: $(VENV)/.dev
	@$(BIN)/python -m tests.services
