# Everything a newcomer needs: `make up` and `make test`. A fresh machine has Python 3.11, gcc, node and apt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The isolated environments of a checkout lie in it, so that `make up` and `make test` build them once.
export HOHEIT_ENVIRONMENTS_DIR ?= $(CURDIR)/.environments
# Two lists in one environment: what runs, and what tests it.
RUN_LISTS := hoheit weights
TEST_LISTS := dev weights

# Many tests wait for a process to start or for a browser, so one worker more than there are cores.
WORKERS := 3

# The swarm's tests run in its own environment.
SWARM_TESTS = PYTHONPATH=. OMP_NUM_THREADS=1 \
	$$($(PYTHON) -m hoheit.environments where petals $(HOHEIT_ENVIRONMENTS_DIR))/bin/python \
	-m pytest -n 2 --dist loadfile tests/swarm
# Those with many node processes take longer than the rest together; test-swarm runs them. One house test
# (tests/house/test_swarm.py) runs a whole swarm in every `make test`.
SWARM_PROCESSES := test_dead_announced.py test_gateway_swarm.py test_no_way.py test_node_process.py test_return.py \
	test_session_faults.py test_session_life.py test_stock.py

.PHONY: help up down status test test-swarm test-vllm lint fix bench lock install install-dev browser mariadb clean

help: ## Show what can be made.
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## Build the project's environment in .venv.
	@$(PYTHON) -m hoheit.environments project $(VENV) $(RUN_LISTS)
	@$(MAKE) -s $(BIN)/hoheit

install-dev:
	@$(PYTHON) -m hoheit.environments project $(VENV) $(TEST_LISTS)
	@$(MAKE) -s $(BIN)/hoheit

$(BIN)/hoheit: pyproject.toml
	@$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e . \
		>$(VENV)/install.log 2>&1 || { cat $(VENV)/install.log >&2; exit 1; }
	@touch $@

up: install ## Set everything up and start it; Ctrl-C stops it. UPFLAGS="--model x.gguf" adds options.
	@exec $(BIN)/hoheit up $(UPFLAGS)

down: install ## Stop what runs.
	@$(BIN)/hoheit down

status: install ## Show every part.
	@$(BIN)/hoheit status

test: install-dev browser mariadb ## Run the whole suite, browser tests included.
	@$(BIN)/python -m hoheit.environments isolated open-webui $(HOHEIT_ENVIRONMENTS_DIR)
	@$(BIN)/python -m hoheit.environments isolated petals $(HOHEIT_ENVIRONMENTS_DIR) petals-dev
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup
	@$(SWARM_TESTS) $(SWARM_PROCESSES:%=--ignore tests/swarm/%)

test-swarm: install-dev ## Run all tests of the swarm, those with many real nodes included (several minutes).
	@$(PYTHON) -m hoheit.environments isolated petals $(HOHEIT_ENVIRONMENTS_DIR) petals-dev
	@$(SWARM_TESTS)

test-vllm: install-dev ## Run the tests on real vLLM servers (processors, about 12 minutes).
	@$(PYTHON) -m hoheit.environments isolated open-webui $(HOHEIT_ENVIRONMENTS_DIR)
	@$(PYTHON) -m hoheit.environments isolated petals $(HOHEIT_ENVIRONMENTS_DIR)
	@$(PYTHON) -m hoheit.environments isolated vllm $(HOHEIT_ENVIRONMENTS_DIR)
	@scripts/sshd
	@$(BIN)/python -m pytest tests/vllm

lint: install-dev ## Check format, style and types.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

fix: install-dev ## Mend format and style.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: install-dev ## Measure; see docs/benchmarks.md (installs nginx, LiteLLM and Petals to compare with).
	@scripts/nginx
	@$(BIN)/python -m benchmarks

lock: ## Pin the environments anew after a change of dependencies (needs network and uv).
	@scripts/lock

browser:
	@scripts/browser

mariadb:
	@scripts/mariadb

clean: ## Remove what was built here; the site's own state in HOHEIT_HOME stays.
	rm -rf $(VENV) .environments build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis test-results
