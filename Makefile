# Everything that a person or CI runs here; `make` alone lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
RELEASE := $(VENV)/release
BIN := $(VENV)/bin
CONFIG ?= examples/memory.yaml
WORKERS ?= 4
PURE := $(addprefix tests/,fleet model nodes bootstrap config diagnosis/judges support providers/kit)
STUBS := externalgrpc fleet k8s_core_v1
PROTOC = $(BIN)/python -m grpc_tools.protoc -Iexternalgrpc/pb=proto
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help run demo test quick lint types floors unit e2e e2e-cluster e2e-join chart chart-versions chart-files kubero-files plots bench laws machine soak mutations fuzz stubs stubs-check lock schema status-picture release release-test version image image-test sizes clean

help: ## Show this list.
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

run: $(VENV)/.run ## Serve the embedded memory cloud (CONFIG=examples/memory.yaml) on 127.0.0.1:8086.
	@$(BIN)/vps-autoscaler serve --config $(CONFIG)

demo: $(VENV)/.run ## Watch a stand-in autoscaler drive a server for about a minute.
	@$(BIN)/vps-autoscaler demo --config $(CONFIG)

test: $(VENV)/.dev lint types floors stubs-check unit ## Lint, types, floors, stubs, tests: all that needs only Python.

lint: $(VENV)/.dev
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet . && echo "lint: clean"

types: $(VENV)/.dev
	@$(BIN)/mypy

floors: $(VENV)/.dev
	@$(BIN)/lint-imports --no-logo >$(VENV)/floors.txt 2>&1 && echo "floors: kept" || { cat $(VENV)/floors.txt; exit 1; }

# Four at a time on two cores: half of what a test does is to wait. What holds a bound in time comes after, one by one.
unit: $(VENV)/.dev
	@$(BIN)/python -m pytest -m "not e2e and not alone" -n $(WORKERS) --dist worksteal
	@$(BIN)/python -m pytest -m "alone and not e2e"

quick: $(VENV)/.dev lint types floors ## Between two edits: lint, types, floors, and tests without sockets or processes.
	@$(BIN)/python -m pytest -m "not e2e" --pure -n 2 --dist worksteal $(PURE)

e2e: $(VENV)/.dev ## Drive the server with the real cluster-autoscaler (on PATH or in CLUSTER_AUTOSCALER; needs Go).
	@PYTHON=$(BIN)/python tests/e2e/run

e2e-cluster: $(VENV)/.dev ## Prove rights, tokens, approval and doctor against a real kube-apiserver (needs Go).
	@$(BIN)/python -m pytest -m e2e tests/kube tests/diagnosis tests/kubero

e2e-join: $(VENV)/.dev ## Prove that machines join: our user-data boots an emulated Debian (root, Debian; needs Go).
	@PYTHON=$(BIN)/python tests/join/run

chart: $(VENV)/.dev ## Lint the Helm chart, install it on a real kube-apiserver, run its pod's processes (needs Go; Prometheus from Debian).
	@$(BIN)/python -m tests.chart.helm
	@$(BIN)/python -m tests.chart.prometheus || echo "tests that want Prometheus say what they left out"
	@$(BIN)/python -m pytest -m "e2e or not e2e" tests/chart

chart-versions: $(VENV)/.dev ## Hold the chart to Helm 3 as well as 4, and to the schemas of Kubernetes 1.31 to 1.37 (needs Go; minutes, once).
	@$(BIN)/python -m tests.chart.helm 3
	@$(BIN)/python -m tests.chart.validating
	@$(BIN)/python -m pytest -m "e2e or not e2e" tests/chart/test_validated.py tests/chart/test_rendering.py tests/chart/test_real_cluster.py

chart-files: $(VENV)/.dev schema ## Regenerate the chart's values.schema.json, README.md, dashboard and copy of the CRD.
	@$(BIN)/python deploy/chart/generate.py
	@$(BIN)/python deploy/chart/dashboard.py

kubero-files: $(VENV)/.dev ## Regenerate deploy/kubero/policies.yaml.
	@$(BIN)/vps-autoscaler kubero > deploy/kubero/policies.yaml

plots: $(VENV)/.dev ## Draw docs/target-cpu.svg again.
	@$(BIN)/python -m tests.headroom.plot > docs/target-cpu.svg

bench: $(VENV)/.dev ## Measure: RPCs, loops of CA (PEER=<upstream's server> compares), growth, idle requests, memory.
	@$(BIN)/python -m tests.bench

laws: $(VENV)/.dev ## Run thousands of whole-server fault histories (SEEDS=0-2000).
	@$(BIN)/python -m tests.laws.histories --seeds $(or $(SEEDS),0-2000)

machine: $(VENV)/.dev ## Drive the fleet's state machine through new random examples (EXAMPLES=2000).
	@FLEET_RANDOM=yes FLEET_EXAMPLES=$(or $(EXAMPLES),2000) $(BIN)/python -m pytest -q tests/laws/test_machine.py

soak: $(VENV)/.dev ## Replay simulated weeks with hostile neighbours in one process (SECONDS=3600): memory stays flat.
	@SECONDS_TO_SOAK=$(or $(SECONDS),3600) $(BIN)/python -m tests.laws.soak

mutations: $(VENV)/.dev ## Plant mistakes in a copy of the core, one by one: each must be caught.
	@$(BIN)/python -m tests.laws.mutations

fuzz: $(VENV)/.dev ## Throw bytes at every RPC of a server process, and replies at every cloud's wire (SECONDS=60).
	@$(BIN)/python -m tests.port.fuzz --seconds $(or $(SECONDS),60)
	@$(BIN)/python -m tests.fuzz.replies --seconds $(or $(SECONDS),60)

stubs: $(VENV)/.dev ## Regenerate externalgrpc/pb from proto/.
	@$(PROTOC) --python_out=. --pyi_out=. $(STUBS:%=proto/%.proto)
	@$(PROTOC) --grpc_python_out=. proto/externalgrpc.proto proto/fleet.proto

stubs-check: $(VENV)/.dev
	@out=$$(mktemp -d) && trap 'rm -rf $$out' EXIT \
	&& $(PROTOC) --python_out=$$out --pyi_out=$$out $(STUBS:%=proto/%.proto) \
	&& $(PROTOC) --grpc_python_out=$$out proto/externalgrpc.proto proto/fleet.proto \
	&& for f in $$out/externalgrpc/pb/*; do diff -q $$f externalgrpc/pb/$$(basename $$f) \
	|| { echo "stubs are stale: run 'make stubs' and commit"; exit 1; }; done && echo "stubs: fresh"

schema: $(VENV)/.dev ## Regenerate docs/config.schema.json and docs/status.schema.json.
	@$(BIN)/vps-autoscaler schema > docs/config.schema.json
	@$(BIN)/vps-autoscaler schema --of status > docs/status.schema.json

release: $(VENV)/.dev $(RELEASE)/.done ## Build HEAD's wheel, sdist, chart, bill of materials and checksums into dist/ (docs/releasing.md).
	@$(BIN)/python -m tests.chart.helm
	@rm -rf dist
	@$(RELEASE)/bin/python deploy/release/build.py dist \
	--helm "$$($(BIN)/python -c 'from tests.chart import helm; print(helm.find())')"

release-test: $(VENV)/.dev ## Build a release twice, install its wheel into a clean environment and run it (minutes; fetches packages).
	@$(BIN)/python -m tests.chart.helm
	@$(BIN)/python -m pytest -m "e2e or not e2e" tests/release

version: ## Write VERSION=0.2.0 everywhere it stands.
	@$(PYTHON) deploy/release/version.py "$(VERSION)"

image: ## Build the image with buildah or docker, whichever is there (IMAGE=vps-autoscaler:VERSION).
	@$(PYTHON) deploy/release/image.py $(IMAGE)

image-test: $(VENV)/.dev image ## Run the image that was built: its version, user, demo and server (needs Go for grpcurl).
	@IMAGE=$(or $(IMAGE),vps-autoscaler:$$($(BIN)/python -c 'from tests.release import program; print(program.load("version").current())')) \
	$(BIN)/python -m pytest -m "e2e or not e2e" tests/release/test_image_runs.py

sizes: ## Print the image's size by part: what its steps install, compressed.
	@$(PYTHON) deploy/release/sizes.py

status-picture: $(VENV)/.dev ## Draw the status page's pictures in docs/ (needs Chromium and chromedriver).
	@$(BIN)/python -m tests.status.picture

lock: $(VENV)/.dev ## Resolve the dependencies again and write requirements/ with hashes.
	@$(PIP) uv
	@for set in run:: dev:--extra:dev; do IFS=: read -r name flag extra <<<"$$set"; \
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	--no-header --no-annotate $$flag $$extra -o requirements/$$name.txt pyproject.toml requirements/build.in; done
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	--no-header --no-annotate -o requirements/release.txt requirements/release.in

# A stamp file says which set of hashed requirements the virtual environment holds.
$(VENV)/.run: requirements/run.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) ..."
	@$(PIP) --require-hashes -r requirements/run.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV), development tools included ..."
	@$(PIP) --require-hashes -r requirements/dev.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.run

# The bill of materials has an environment of its own: its tools are no part of what it lists.
$(RELEASE)/.done: requirements/release.txt | $(VENV)/.dev
	@[ -x $(RELEASE)/bin/python ] || $(BIN)/python -m venv $(RELEASE)
	@$(RELEASE)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/release.txt
	@touch $@

clean: ## Remove the virtual environment and all caches.
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info
