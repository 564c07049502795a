# The commands to remember. Needs Python 3.11+ and make; uv is fetched when it is missing.
SHELL := /bin/bash
export PATH := $(CURDIR)/.tools/bin:$(PATH)
export UV_PROJECT_ENVIRONMENT ?= .venv
# ONNX Runtime would report to its makers and write into the user's cache.
export ORT_DISABLE_TELEMETRY := 1
WORKFLOW ?= hairnet
RUN = uv run --no-sync
UNIT = $(RUN) pytest tests/unit tests/contracts -q -n 2

.PHONY: demo up down test check unit bench gates-prove soak install hostile docs

install: .venv/.synced

.venv/.synced: pyproject.toml uv.lock $(wildcard libs/*/pyproject.toml services/*/pyproject.toml)
	@command -v uv >/dev/null || { echo "fetching uv ..."; python3 -m venv .tools && .tools/bin/pip -q install "uv>=0.9"; }
	uv sync --frozen --compile-bytecode --extra ultralytics --extra temporal
	@touch $@

demo: install      ## the whole loop on this machine: cameras, review, training, registry; leaves the system running
	$(RUN) camloop demo --workflow $(WORKFLOW)

up: install        ## start Kafka, PostgreSQL, S3 and every service in the background
	$(RUN) camloop up --detach

down:              ## stop all of it
	@if [ -x .venv/bin/camloop ]; then .venv/bin/camloop down; fi

check: install     ## format, lint, types, import rules, unit and contract tests: a minute and a half
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) basedpyright
	$(RUN) lint-imports
	uv lock --check
	$(RUN) python docs/api/generate.py --check
	$(RUN) python deploy/check.py
	$(UNIT)

bench: install     ## ratios against the other side, in the same run; never fails a build
	$(RUN) python -m benchmarks

unit: install
	$(UNIT)

test: install      ## all tests, on real Kafka, PostgreSQL and S3
	$(UNIT)
	$(RUN) pytest tests/integration tests/ml -q -n 2 --dist loadfile --no-loadscope-reorder --durations=25
	$(RUN) pytest tests/e2e --ignore tests/e2e/test_soak.py -q -n 2 --dist loadfile --no-loadscope-reorder --durations=10
	$(RUN) pytest tests/e2e/test_soak.py -q

gates-prove: install ## every crash gate, then again with each of its protections taken away: it must then be crossed
	$(RUN) pytest tests/integration --prove -q -n 2 --dist loadfile --no-loadscope-reorder

soak: install      ## 15 minutes of cameras at full rate while everything is killed or stopped in turn; then the books are balanced
	$(RUN) python -m tests.soak --minutes 15

hostile: install   ## 10,000 generated bad inputs, 1,500 of them through real Kafka: under ten minutes, counts by kind at the end
	HOSTILE_INPUTS=10000 HOSTILE_REPORT=var/hostile.json $(RUN) pytest tests/integration/hostile/test_hostile_generated.py -q

docs: install      ## rewrite the AsyncAPI and OpenAPI documents and the dashboards
	$(RUN) python docs/api/generate.py
	$(RUN) python deploy/grafana/build.py
