# `make help` lists the targets. Everything that is downloaded or built is kept in the user's cache folder.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
CLUSTER ?= demo
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/progressive.istio
VENV := $(CACHE)/venv/$(shell (cat tests/requirements.txt tests/collections.txt; $(PYTHON) -V 2>&1) | sha256sum | cut -c1-12)
PLACE := ansible_collections/progressive/istio
COLLECTION := build/collections/$(PLACE)
# What depends on the ansible-core, and so on the Python, is apart.
BUILD := build/$(notdir $(VENV))
TREE := $(BUILD)/$(PLACE)
PIP := $(VENV)/bin/python -m pip install -q --disable-pip-version-check
TARBALL := $(BUILD)/progressive-istio-$(shell sed -n 's/^version: //p' galaxy.yml).tar.gz

export PATH := $(VENV)/bin:$(CACHE)/bin:$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/build/collections
export LAB_PYTHON := $(VENV)/bin/python
export LAB_ANSIBLE_PLAYBOOK := $(VENV)/bin/ansible-playbook
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {gsub(/\$$\$$/, "$$"); printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The lab and the demo need Ansible alone.
$(VENV)/.ansible:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python %d.%d is too old: progressive.istio needs Python 3.11 or newer; name one by PYTHON=..." % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { test "$$(id -u)" = 0 && apt-get update -q && apt-get install -y -q python3-venv; } >/dev/null \
	  || { echo "Python's venv module is missing: install it (Debian: apt-get install python3-venv)." >&2; exit 1; }
	@echo "Install Ansible into $(VENV) ..."
	@test -e $(VENV)/.complete || { rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); }
	@$(PIP) -r <(grep -E '^(ansible|ansible-core|kubernetes)==' tests/requirements.txt)
	@$(PIP) --no-deps -r tests/collections.txt
	@touch $@

$(VENV)/.complete: | $(VENV)/.ansible
	@echo "Install the test tools into $(VENV) ..."
	@$(PIP) --no-warn-conflicts -r tests/requirements.txt
	@touch $@

# A collection is found by its place in a folder named ansible_collections, so the checkout gets a link there.
$(COLLECTION):
	@mkdir -p $(@D) && ln -sfn $(CURDIR) $@

# The programs that read the examples: too many for the tests' own environment.
EXAMPLES := $(CACHE)/venv/$(shell (cat tests/examples/requirements.txt; $(PYTHON) -V 2>&1) | sha256sum | cut -c1-12)

$(EXAMPLES)/.complete:
	@need() { command -v $$1 || { test "$$(id -u)" = 0 && apt-get update -q && apt-get install -y -q $$2; } \
	  || { echo "$$1 is missing: install it (Debian: apt-get install $$2)." >&2; exit 1; }; }; \
	  (need java default-jre-headless && need systemd-analyze systemd) >/dev/null
	@echo "Install the programs that read the examples into $(EXAMPLES) ..."
	@rm -rf $(EXAMPLES) && $(PYTHON) -m venv $(EXAMPLES)
	@$(EXAMPLES)/bin/python -m pip install -q --disable-pip-version-check -r tests/examples/requirements.txt
	@touch $@

.PHONY: tools
tools: $(VENV)/.complete $(COLLECTION) ## Install Ansible and the test tools into the cache folder

.PHONY: lab-up
lab-up: $(VENV)/.ansible $(COLLECTION) ## Bring the cluster CLUSTER up (demo, test, bench), with Istio
	@$(VENV)/bin/python -m lab up --cluster $(CLUSTER)

.PHONY: lab-images
lab-images: $(VENV)/.ansible $(COLLECTION) ## Build the lab's programs and images and create no cluster
	@$(VENV)/bin/python -m lab images

.PHONY: env
env: $(COLLECTION) ## Print the exports for a shell on the lab: eval "$$(make -s env)"
	@test -e $(VENV)/.ansible || echo "The tools are not installed yet: run 'make demo' or 'make -C lab up' first." >&2
	@$(PYTHON) -m lab env --cluster $(CLUSTER)
	@echo 'export PATH=$(VENV)/bin:"$$PATH":$(EXAMPLES)/bin'
	@echo 'export ANSIBLE_COLLECTIONS_PATH=$(CURDIR)/build/collections'

.PHONY: demo
demo: ## The whole tutorial on a real cluster: lab up, site.yml, 20 % canary, fifty requests
	@$(MAKE) lab-up CLUSTER=demo
	@eval "$$($(MAKE) -s env CLUSTER=demo)" && ansible-playbook playbooks/site.yml && ansible-playbook playbooks/canary.yml -e weight=20

.PHONY: style
style: tools ## Style and types, in seconds
	ruff check . && ruff format --check .
	mypy lab bench && mypy -p ansible_collections.progressive.istio.plugins

# ansible-core 2.16, the oldest that is supported, runs with Python 3.11, and 2.21, the newest, needs a newer one. So the checks
# run with $(PYTHON) and with another. What depends on the ansible-core runs on both; what does not, on one of them.
.PHONY: lint
lint: style rules docs sanity other-checks ## Everything but the cluster and `unit`, on two ansible-cores; faster as make -j3 lint

.PHONY: other-checks
other-checks: ## What depends on the ansible-core, on the other one: with Galaxy's checks and ansible-lint of the tarball
	@python=$$($(PYTHON) tests/other_python.py) && $(MAKE) docs importer sanity ansible-units PYTHON=$$python SKIP=

.PHONY: rules
rules: tools ## ansible-lint, profile production
	ANSIBLE_HOME=$(CURDIR)/$(BUILD)/ansible ansible-lint --offline

.PHONY: docs
docs: tools ## Documentation of modules, filters and roles; changelog fragments
	antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs dependent --disallow-unknown-collection-refs .
	antsibull-changelog lint

.PHONY: package
package: tools ## Build the collection's tarball
	@mkdir -p $(BUILD) && ansible-galaxy collection build --force --output-path $(BUILD)

.PHONY: importer
importer: package ## What is in the tarball, and what Galaxy says of it, which runs ansible-lint on it
	TARBALL=$(TARBALL) python -m pytest tests/package

# ansible-test keeps its environments below the home folder, and would download what puts pip into them.
$(VENV)/home: $(VENV)/.complete tests/get_pip.py
	@mkdir -p $@/.ansible/test/cache && ln -sfn $(HOME)/.config $@/.config && ln -sfn $(HOME)/.cache $@/.cache
	@version=$$($(VENV)/bin/python -c 'from types import SimpleNamespace as Python; \
	  from ansible_test._internal.python_requirements import get_venv_packages as packages; \
	  print(packages(Python(version=""))["pip"].replace(".", "_"))') && cp tests/get_pip.py $@/.ansible/test/cache/get_pip_$$version.py
	@touch $@

# It tests what the tarball holds, in a folder with the name that it insists on and a repository of its own, for it would
# leave out what this one ignores. These unit tests are not about the collection:
REPOSITORY_TESTS := tests/unit/bench tests/unit/lab tests/unit/docs tests/unit/test_scenarios.py tests/unit/test_timings.py
ANSIBLE_TEST := cd $(TREE) && HOME=$(VENV)/home PATH=$(VENV)/bin:/usr/local/bin:/usr/bin:/bin ansible-test
# They read no code of ansible-core and take most of the time, so they run on the other ansible-core alone.
SKIP := --skip-test pylint --skip-test pep8

.PHONY: tree
tree: package $(VENV)/home
	@rm -rf $(TREE) && mkdir -p $(TREE) && tar -xzf $(TARBALL) -C $(TREE) && git init -q $(TREE)
	@tar -c --exclude=__pycache__ $(addprefix --exclude=,$(REPOSITORY_TESTS)) tests/unit tests/config.yml | tar -x -C $(TREE)

.PHONY: sanity
sanity: tree ## ansible-test sanity; all tests with SKIP=
	$(ANSIBLE_TEST) sanity --local --color no $(SKIP)

# Unit tests wait for servers and deadlines, so more of them run at once than there are cores. `test` runs two such rounds
# at a time, and on a busier machine servers on loopback answer too late.
WORKERS := 3

.PHONY: ansible-units
ansible-units: tree ## The unit tests of the collection by ansible-test, from the tarball, each in a process of its own
	$(ANSIBLE_TEST) units --local --color no --num-workers $(WORKERS) --python $$($(VENV)/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

.PHONY: unit
unit: tools ## Unit tests: the pure rooms by tables and properties; some of them by UNIT=...
	python -m pytest $(if $(UNIT),$(UNIT),--numprocesses=$(WORKERS))

.PHONY: examples
examples: $(EXAMPLES)/.complete $(COLLECTION) ## docs/examples, each read by the program that it is for
	$(EXAMPLES)/bin/python -m pytest tests/examples

# A scenario waits for pods and timers much of its time, so two run at once, the longest first. Each has a namespace (or a
# cluster) of its own, and a folder for what Molecule keeps. One comes afterwards: `exclusive` takes istiod away from all,
# and counts what users see. What a scenario prints is shown when it has ended; all run to their end, and one that fails
# fails the whole.
FIRST := release package routes analysis check_mode tutorial doctor adopt
ALONE := exclusive
OTHERS := $(filter-out default $(FIRST) $(ALONE),$(patsubst molecule/%/molecule.yml,%,$(wildcard molecule/*/molecule.yml)))
ROUND := $(MAKE) --keep-going --output-sync=target
# What each leaves: what it printed, and in the last line how it ended and after how many seconds.
TIMINGS := build/timings

.PHONY: together
together:
	@eval "$$($(MAKE) -s env CLUSTER=test)"; CLEANUP_WAITS=false $(ROUND) --jobs=2 $(addprefix scenario-,$(FIRST) $(OTHERS))

.PHONY: alone
alone:
	@eval "$$($(MAKE) -s env CLUSTER=test)"; CLEANUP_WAITS=false $(ROUND) --jobs=1 $(addprefix scenario-,$(ALONE))

.PHONY: molecule
molecule: tools $(EXAMPLES)/.complete ## Every Molecule scenario, on one kind cluster with real Istio, verified by testinfra
	@$(MAKE) lab-up CLUSTER=test
	@ended=0; $(MAKE) together || ended=$$?; $(MAKE) alone || ended=$$?; $(MAKE) -C lab down CLUSTER=test && exit $$ended

# The browser in which the scenario `page` looks at pages.
.PHONY: browser
browser:
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && apt-get update -q && apt-get install -y -q --no-install-recommends chromium; } >/dev/null \
	  || { echo "Chromium is missing: install it (Debian: apt-get install chromium)." >&2; exit 1; }

scenario-page: browser

.PHONY: scenario-%
scenario-%: ## One scenario, on the cluster of the shell: see env
	@mkdir -p $(TIMINGS); set -o pipefail; ended=0; SECONDS=0; MOLECULE_EPHEMERAL_DIRECTORY=$(CURDIR)/build/molecule/$* COLUMNS=150 NO_COLOR=1 \
	  env -u MAKEFLAGS -u MFLAGS molecule test --scenario-name $* --no-shared-state --destroy never --report 2>&1 \
	  | tee $(TIMINGS)/$*.log || ended=$$?; echo "ended $$ended after $$SECONDS s" >> $(TIMINGS)/$*.log; exit $$ended

# The cluster comes up while the checks run: it mostly waits. Scenarios do not run beside the checks: at four times the load
# that two processors bear, API server and proxies answer too late.
.PHONY: test
test: tools $(EXAMPLES)/.complete ## Everything that CI runs
	@rm -rf $(TIMINGS) && mkdir -p $(TIMINGS)
	@$(ROUND) --jobs=3 lab-up lint unit examples CLUSTER=test
	@ended=0; $(MAKE) together || ended=$$?; $(MAKE) alone || ended=$$?; $(MAKE) -C lab down CLUSTER=test || ended=$$?; \
	  $(PYTHON) tests/timings.py $(TIMINGS); exit $$ended

# The programs that make the site and the SBOM: none of them is needed for a test.
RELEASE := $(CACHE)/venv/$(shell (cat release/requirements.txt; $(PYTHON) -V 2>&1) | sha256sum | cut -c1-12)

$(RELEASE)/.complete:
	@echo "Install the programs for the site and the SBOM into $(RELEASE) ..."
	@rm -rf $(RELEASE) && $(PYTHON) -m venv $(RELEASE)
	@$(RELEASE)/bin/python -m pip install -q --disable-pip-version-check -r release/requirements.txt
	@touch $@

.PHONY: settings
settings: tools ## Write docs/settings.md from the roles' argument_specs
	@python release/settings.py

# Nothing is read from the network, and a dead link fails it.
SITE := build/site
.PHONY: docs-site
docs-site: package $(RELEASE)/.complete ## The documentation as a site, in build/site/html, built offline from the tarball
	@rm -rf $(SITE) && mkdir -p $(SITE)/source/collection && chmod go-w $(SITE)/source/collection
	@tar -xzf $(TARBALL) -C $(SITE)/source && cp release/site/* $(SITE)/source
	$(RELEASE)/bin/antsibull-docs collection --use-current --squash-hierarchy --fail-on-error --dest-dir $(SITE)/source/collection progressive.istio
	$(RELEASE)/bin/sphinx-build -q -W --keep-going $(SITE)/source $(SITE)/html

# A version that the changelog does not have yet gets its section in a copy, so that the fragments of the checkout stay.
RELEASED := build/release
.PHONY: release
release: tools $(RELEASE)/.complete ## Tarball, changelog, checksums and SBOM of HEAD, in build/release; the checkout stays as it is
	@test -z "$$(git status --porcelain)" || { echo "The checkout has changes that are not committed: commit or stash them, then make release." >&2; exit 1; }
	@rm -rf $(RELEASED) && git clone -q . $(RELEASED)/$(PLACE)
	@cd $(RELEASED)/$(PLACE) && version=$$(sed -n 's/^version: //p' galaxy.yml) && { grep -q "^  $$version:" changelogs/changelog.yaml \
	  || antsibull-changelog release --date $$(git -C $(CURDIR) log -1 --format=%cs); }
	@cp $(RELEASED)/$(PLACE)/CHANGELOG.md $(RELEASED)
	@ansible-galaxy collection build $(RELEASED)/$(PLACE) --output-path $(RELEASED)
	@cd $(RELEASED) && tarball=$(notdir $(TARBALL)) && $(RELEASE)/bin/python $(CURDIR)/release/sbom.py $$tarball > $${tarball%.tar.gz}.cdx.json \
	  && sha256sum *.tar.gz *.cdx.json CHANGELOG.md > SHA256SUMS && cat SHA256SUMS

BENCH_ROUNDS ?= 12
.PHONY: bench
bench: tools ## What it costs and loses, side by side with kubernetes.core and kubectl; fewer by BENCH_ROUNDS=3
	@$(MAKE) lab-up CLUSTER=bench
	@eval "$$($(MAKE) -s env CLUSTER=bench)" && PYTHONPATH=$(CURDIR):$(CURDIR)/molecule python -m bench --rounds $(BENCH_ROUNDS)

.PHONY: clean
clean: ## Delete what was made in this checkout; clusters and cache stay
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible
