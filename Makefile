# Everything a person or CI runs here. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STUBS := externalgrpc fleet k8s_core_v1
PROTOC = $(BIN)/python -m grpc_tools.protoc -Iexternalgrpc/pb=proto

.PHONY: help stubs stubs-check

help: ## Show this list.
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

stubs: ## Regenerate externalgrpc/pb from proto/.
	@$(PROTOC) --python_out=. --pyi_out=. $(STUBS:%=proto/%.proto)
	@$(PROTOC) --grpc_python_out=. proto/externalgrpc.proto proto/fleet.proto

stubs-check: ## Fail when the committed stubs are not what proto/ generates.
	@out=$$(mktemp -d) && trap 'rm -rf $$out' EXIT \
	&& $(PROTOC) --python_out=$$out --pyi_out=$$out $(STUBS:%=proto/%.proto) \
	&& $(PROTOC) --grpc_python_out=$$out proto/externalgrpc.proto proto/fleet.proto \
	&& for f in $$out/externalgrpc/pb/*; do diff -q $$f externalgrpc/pb/$$(basename $$f) \
	|| { echo "stubs are stale: run 'make stubs' and commit"; exit 1; }; done && echo "stubs are fresh"
