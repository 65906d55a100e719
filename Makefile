# `make help` lists the targets. Everything that is downloaded or built is kept in the user's cache folder.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
CLUSTER ?= demo
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/progressive.istio
VENV := $(CACHE)/venv/$(shell (cat tests/requirements.txt; $(PYTHON) -V 2>&1) | sha256sum | cut -c1-12)
COLLECTION := build/collections/ansible_collections/progressive/istio

export PATH := $(VENV)/bin:$(CACHE)/bin:$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/build/collections
export LAB_PYTHON := $(VENV)/bin/python
export LAB_ANSIBLE_PLAYBOOK := $(VENV)/bin/ansible-playbook
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.complete:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python %d.%d is too old: progressive.istio needs Python 3.11 or newer; name one by PYTHON=..." % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { test "$$(id -u)" = 0 && apt-get update -q && apt-get install -y -q python3-venv; } >/dev/null \
	  || { echo "Python's venv module is missing: install it (Debian: apt-get install python3-venv)." >&2; exit 1; }
	@echo "Install Ansible and the test tools into $(VENV) ..."
	@rm -rf $(VENV) && $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install -q --disable-pip-version-check -r tests/requirements.txt
	@touch $@

# A collection is found by its place in a folder named ansible_collections, so the checkout gets a link there.
$(COLLECTION):
	@mkdir -p $(@D) && ln -sfn $(CURDIR) $@

.PHONY: tools
tools: $(VENV)/.complete $(COLLECTION)

.PHONY: lab-up
lab-up: tools
	@$(VENV)/bin/python -m lab up --cluster $(CLUSTER)

.PHONY: lab-images
lab-images: tools
	@$(VENV)/bin/python -m lab images

.PHONY: env
env: $(COLLECTION) ## Print the exports for a shell on the lab: eval "$$(make -s env)"
	@test -e $(VENV)/.complete || echo "The tools are not installed yet: run 'make demo' or 'make -C lab up' first." >&2
	@$(PYTHON) -m lab env --cluster $(CLUSTER)
	@echo 'export PATH=$(VENV)/bin:"$$PATH"'
	@echo 'export ANSIBLE_COLLECTIONS_PATH=$(CURDIR)/build/collections'

.PHONY: demo
demo: ## The whole tutorial on a real cluster: lab up, site.yml, 20 % canary, fifty requests
	@$(MAKE) lab-up CLUSTER=demo
	@eval "$$($(MAKE) -s env CLUSTER=demo)" && ansible-playbook playbooks/site.yml && ansible-playbook playbooks/canary.yml -e weight=20

.PHONY: lint
lint: tools ## Style, types, ansible-lint (production), changelog fragments
	ruff check . && ruff format --check .
	mypy lab bench && mypy -p ansible_collections.progressive.istio.plugins
	ANSIBLE_HOME=$(CURDIR)/build/ansible ansible-lint --offline
	antsibull-changelog lint

.PHONY: unit
unit: tools ## Unit tests: the pure rooms by tables and properties
	python -m pytest

# A scenario waits for pods and timers much of its time, so three run at once, the longest first. Each has a namespace (or a
# cluster) of its own, and a folder for what Molecule keeps. Three come afterwards, one by one: `observability` and
# `analysis` judge by what they count in a given time, and `proof` takes istiod away from all. What a scenario prints is
# shown when it has ended; all run to their end, and one that fails fails the whole.
FIRST := release check_mode tutorial
ALONE := observability analysis proof
OTHERS := $(filter-out default $(FIRST) $(ALONE),$(patsubst molecule/%/molecule.yml,%,$(wildcard molecule/*/molecule.yml)))
ROUND := $(MAKE) --keep-going --output-sync=target

.PHONY: molecule
molecule: tools ## Every Molecule scenario, on one kind cluster with real Istio, verified by testinfra
	@$(MAKE) lab-up CLUSTER=test
	@eval "$$($(MAKE) -s env CLUSTER=test)"; ended=0; \
	  $(ROUND) --jobs=3 $(addprefix scenario-,$(FIRST) $(OTHERS)) || ended=$$?; \
	  $(ROUND) --jobs=1 $(addprefix scenario-,$(ALONE)) || ended=$$?; \
	  $(MAKE) -C lab down CLUSTER=test && exit $$ended

# The browser in which the scenario `page` looks at pages.
.PHONY: browser
browser:
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && apt-get update -q && apt-get install -y -q --no-install-recommends chromium; } >/dev/null \
	  || { echo "Chromium is missing: install it (Debian: apt-get install chromium)." >&2; exit 1; }

scenario-page: browser

.PHONY: scenario-%
scenario-%:
	@MOLECULE_EPHEMERAL_DIRECTORY=$(CURDIR)/build/molecule/$* COLUMNS=150 NO_COLOR=1 \
	  env -u MAKEFLAGS -u MFLAGS molecule test --scenario-name $* --no-shared-state --destroy never --report

# The cluster comes up while lint and unit tests run: it mostly waits.
.PHONY: test
test: ## Everything that CI runs
	@$(MAKE) -j3 lab-up lint unit CLUSTER=test
	@$(MAKE) molecule

BENCH_ROUNDS ?= 12
.PHONY: bench
bench: tools ## What it costs and loses, side by side with kubernetes.core and kubectl; fewer by BENCH_ROUNDS=3
	@$(MAKE) lab-up CLUSTER=bench
	@eval "$$($(MAKE) -s env CLUSTER=bench)" && PYTHONPATH=$(CURDIR):$(CURDIR)/molecule python -m bench --rounds $(BENCH_ROUNDS)

.PHONY: clean
clean: ## Delete what was made in this checkout; clusters and cache stay
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible
