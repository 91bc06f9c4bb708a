# kubectl-pullkit. Every target works in a fresh clone; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
AUDIT := $(VENV)/audit
CLUSTER ?= own
CALLS ?= most
CLUSTER_FOLDER ?= .cluster
FUZZ_RUNS ?= 300
FUZZ_SEED ?= 1
COMPILE = "$(abspath $(AUDIT))/bin/uv" pip compile --quiet --system-certs --universal --python-version 3.9 --generate-hashes --no-annotate \
  --no-emit-index-url --custom-compile-command "make requirements"

.DEFAULT_GOAL := help
.PHONY: help venv demo test faults fuzz audit requirements lint format e2e cluster-up cluster-down bench dist krew-test \
  pip-test clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

venv: $(STAMP) ## Install the plugins (editable) and the development tools into .venv

# Every package as it was pinned, checked against its hash; ours is built by one of them, and brings nothing of its own.
$(STAMP): setup.cfg pyproject.toml requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 9))' || \
	  { echo "error: $(PYTHON) is older than Python 3.9; name a newer one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "error: $(PYTHON) has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(PIP) install --require-hashes --requirement requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(PIP) check
	@touch $@

demo: $(STAMP) ## Explain a real failure from saved evidence, without a cluster
	@PATH="$(abspath $(BIN)):$$PATH" examples/demo.sh

test: $(STAMP) ## Run everything that needs no cluster
	@$(BIN)/python -m pytest

fuzz: $(STAMP) ## Feed odd input to what reads untrusted text; FUZZ_RUNS=100000 for more of it
	@$(PIP) install --require-hashes --no-deps --only-binary=:all: --requirement requirements/fuzz.txt || true
	@$(BIN)/python -m tests.fuzz --runs $(FUZZ_RUNS) --seed $(FUZZ_SEED)

audit: $(STAMP) $(AUDIT) ## Look for known vulnerabilities (asks a service of PyPI), and at the licences
	@$(BIN)/python -m krew.licences
	@$(foreach file,requirements/dev.txt krew/requirements.txt, \
	  $(AUDIT)/bin/pip-audit --strict --requirement $(file) --require-hashes --disable-pip &&) true

requirements: $(STAMP) $(AUDIT) ## Pin the newest versions of what is needed for development, with their hashes
	@cd requirements && $(COMPILE) --upgrade --output-file audit.txt audit.in
	@cd requirements && $(COMPILE) --upgrade --output-file fuzz.txt fuzz.in
	@$(COMPILE) --upgrade --extra dev --output-file requirements/dev.txt setup.cfg

$(AUDIT): requirements/audit.txt | $(STAMP)
	@$(BIN)/python -m venv $@
	@$@/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes --requirement $<
	@touch $@

lint: $(STAMP) ## Check style (ruff) and types (mypy strict)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "error: run 'make format'" >&2; exit 1; }
	@$(BIN)/mypy

format: $(STAMP) ## Format the code
	@$(BIN)/ruff format .

faults: $(STAMP) ## Try every command with every fault of the Kubernetes API, and write docs/faults.md (CALLS=all: at all calls)
	@$(BIN)/python -m tests.integration.faults $(CALLS) > docs/faults.new && mv docs/faults.new docs/faults.md

e2e: $(STAMP) ## Run the workflow on a real cluster (CLUSTER=current: on that of KUBECONFIG)
	@CLUSTER=$(CLUSTER) $(BIN)/python -m pytest tests/e2e

cluster-up: $(STAMP) ## Bring up a real cluster and leave it running; prints its KUBECONFIG line
	@$(BIN)/python -m tests.e2e.cluster up --folder $(CLUSTER_FOLDER)

cluster-down: $(STAMP) ## Take that cluster down
	@$(BIN)/python -m tests.e2e.cluster down --folder $(CLUSTER_FOLDER)

bench: $(STAMP) ## Measure speed and memory, each as a ratio against another command, and write docs/benchmarks.md
	@$(BIN)/python -m tests.bench

dist: $(STAMP) ## Build into dist/ the archive for krew, the wheel and the source archive; krew/*.yaml are the manifests
	@rm -rf dist build
	@$(BIN)/python -m krew.build >/dev/null
	@$(BIN)/python -m build --no-isolation --outdir dist build/source >/dev/null
	@ls -l dist

krew-test: $(STAMP) ## Have the real krew install that archive, and a real cluster see the plugins from there
	@$(BIN)/python -m pytest tests/krew --ignore tests/krew/test_pip.py

pip-test: $(STAMP) ## Have pip install the wheel and the source archive for every Python that is here
	@$(BIN)/python -m pytest tests/krew/test_pip.py

clean: ## Remove what was built
	@rm -rf dist build krew/*.yaml $(VENV) .mypy_cache .ruff_cache .pytest_cache
