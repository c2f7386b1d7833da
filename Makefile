# MarineMap's commands. `make run` and `make test` set up all that they need.

SHELL := /bin/sh
HOST ?= 127.0.0.1
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
WEB := marinemap/web
CLIENTS := tests/clients
PAGE := $(WEB)/static/marinemap/page.js

# The first Python that MarineMap runs on; where there is none, preflight says so.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	2>/dev/null && echo $$python && exit; done; echo python3)

export HOST PORT

.PHONY: run test tools lint lint-python lint-types lint-house lint-page messages bench chaos fuzz containers deploy-document celery-suite clean samples requirements preflight

run: preflight $(VENV)/.ready $(PAGE)
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py loadsamples
	@exec $(BIN)/python manage.py serve

test: tools
	@$(BIN)/python scripts/node.py test --silent
	@# Four, on two cores: much of it waits for leases and rates. Whole sites come first: files
	@# of few tests, they would be last, one process at them and three idle.
	@# With compiled files kept: five processes read all tests, and sites begin some hundred times.
	@unset PYTHONDONTWRITEBYTECODE; \
		$(BIN)/python -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

# All that the tests use.
tools: $(VENV)/.dev $(PAGE) $(CLIENTS)/node_modules/.ready $(CLIENTS)/cuiman/.ready
	@scripts/install_test_tools.sh

lint: lint-types lint-python lint-house lint-page

lint-python: $(VENV)/.dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

lint-types: $(VENV)/.dev
	@$(BIN)/mypy

# The cache of lint-imports takes an import of a name for one of a module that there was.
lint-house: $(VENV)/.dev
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python manage.py makemigrations --check --dry-run

lint-page: $(WEB)/node_modules/.ready
	@$(BIN)/python scripts/node.py run --silent check

# Finds the texts that people read and brings them into the translations; see CONTRIBUTING.md.
messages: $(VENV)/.dev
	@$(BIN)/python -m scripts.messages

# Long runs with kill -9, restarts, cut connections, full disks and more; CHAOS_KILLS,
# CHAOS_FAULTS and others set how many. `make test` causes 20 faults.
chaos: $(VENV)/.dev
	@$(BIN)/python -m pytest tests/transport -m chaos -s
	@CHAOS_FAULTS=$${CHAOS_FAULTS:-300} $(BIN)/python -m pytest tests/acceptance/test_chaos.py -s

# The engine's generated cases and damaged files in full, and requests to the API at random;
# `make test` runs a few of each.
fuzz: $(VENV)/.dev
	@scripts/install_test_tools.sh
	@FUZZ_CASES=$${FUZZ_CASES:-20000} FUZZ_MUTANTS=$${FUZZ_MUTANTS:-2000} \
		$(BIN)/python -m pytest tests/extraction -m fuzz -s
	@FUZZ_REQUESTS=$${FUZZ_REQUESTS:-100000} \
		$(BIN)/python -m pytest tests/acceptance/test_random_requests.py -m fuzz -s

# Each step of the Dockerfile, in an empty Debian; as root.
containers: $(VENV)/.dev
	@mkdir -p $(CURDIR)/var/containers
	@CONTAINER_STEPS=$(CURDIR)/var/containers $(BIN)/python -m pytest tests/deployment/test_containers.py -s

# docs/how-to/deploy.md, followed in an empty Debian; as root.
deploy-document: $(VENV)/.dev
	@mkdir -p $(CURDIR)/var/containers
	@DEPLOY_DOCUMENT=$(CURDIR)/var/containers $(BIN)/python -m pytest tests/deployment/test_deploy_document.py -s

# Celery's and kombu's own integration tests, here and on Redis: SUITE=--help tells more.
celery-suite: $(VENV)/.dev
	@$(BIN)/python -m scripts.celery_suite $(SUITE)

bench: $(VENV)/.dev
	@scripts/install_test_tools.sh
	@$(BIN)/python -m benchmarks

samples: $(VENV)/.dev
	@$(BIN)/python scripts/make_samples.py

requirements: $(VENV)/.ready
	@scripts/requirements.sh

clean:
	rm -rf $(VENV) $(WEB)/node_modules $(CLIENTS)/node_modules $(CLIENTS)/cuiman $(WEB)/static/marinemap .mypy_cache .ruff_cache
	find marinemap tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

preflight:
	@$(PYTHON) scripts/preflight.py "$(HOST)" "$(PORT)"

$(VENV)/.ready: requirements.txt
	@scripts/make_venv.sh $(PYTHON) $(VENV) requirements.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.ready requirements-dev.txt
	@scripts/make_venv.sh $(PYTHON) $(VENV) requirements-dev.txt
	@touch $@

$(WEB)/node_modules/.ready: $(WEB)/package-lock.json $(VENV)/.ready
	@$(PYTHON) scripts/node.py ci --silent --no-audit
	@touch $@

# Clients of the API that others wrote, for its tests.
$(CLIENTS)/node_modules/.ready: $(CLIENTS)/package-lock.json $(VENV)/.ready
	@$(PYTHON) scripts/node.py --folder $(CLIENTS) ci --silent --no-audit
	@touch $@

$(CLIENTS)/cuiman/.ready: $(CLIENTS)/cuiman.txt $(CLIENTS)/cuiman-needs.txt $(VENV)/.ready
	@$(PYTHON) -m venv $(CLIENTS)/cuiman
	@$(CLIENTS)/cuiman/bin/pip install --quiet -r $(CLIENTS)/cuiman-needs.txt
	@$(CLIENTS)/cuiman/bin/pip install --quiet --no-deps -r $(CLIENTS)/cuiman.txt
	@touch $@

$(PAGE): $(WEB)/node_modules/.ready $(WEB)/build.mjs $(shell find $(WEB)/src -type f)
	@echo "Building the page"
	@$(PYTHON) scripts/node.py run --silent build
	@touch $@
