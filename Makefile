# Every command a contributor needs. `make` alone prints them.
PYTHON ?= python3
VENV := .venv/bin
PYTEST := $(VENV)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help doctor setup run loop work test test-slow lint type proto proto-check features mutants chart bench soak lock operations images clean

help: ## Print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' | while IFS='|' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

doctor: ## Say what this machine lacks, if anything, and how to mend it
	@$(PYTHON) tools/doctor.py

setup: ## Make .venv from the hash-pinned lock (nothing is installed outside it)
	@$(PYTHON) tools/bootstrap.py

run: setup ## Start the whole system, play the loop and ten days of two sub-districts, stay until Ctrl-C
	@$(VENV)/python -m devstack run

loop: setup ## Play the loop once and leave; the last line is JSON
	@$(VENV)/python -m devstack loop

work: setup ## Play ten days of two sub-districts once, figures held against the documents; the last line is JSON
	@$(VENV)/python -m devstack work

test: setup lint type proto-check ## Lint, types, contracts, then every test but the slow ones
	$(PYTEST) -m "not slow"

test-slow: setup ## Crashes, outages and volumes
	$(PYTEST) -m slow --timeout 1500

lint: setup ## Style, formatting and the house rules on imports
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/lint-imports --no-cache

type: setup ## Static types, strict
	$(VENV)/mypy libs services clients tools bench

proto: setup ## Generate the modules of proto/
	$(VENV)/python tools/proto/generate.py generate

proto-check: setup ## Lint the contracts, compare them with the baseline, prove the generated modules current
	$(VENV)/python tools/proto/generate.py check

features: setup ## Print which product features have passing tests (runs the tests that have no result yet)
	@$(VENV)/python -m devstack.features

mutants: setup ## Break the code on purpose, patch by patch, and see the named test fail
	@$(VENV)/python tools/mutants/run.py

chart: setup ## Render the Helm chart in every tested way, validate each object, hold its rules and run its tests
	@$(VENV)/python -m tools.chart

bench: setup ## Measure every promised figure (ONLY=P1,P4 for some, SCALE=0.02 for a quick look at the big ones)
	@ONLY="$(ONLY)" SCALE="$(SCALE)" RUNS="$(RUNS)" $(VENV)/python -m bench

soak: setup ## Run everything under a mixed load and watch each process's memory (MINUTES=30)
	@MINUTES="$(MINUTES)" $(VENV)/python -m bench.soak

LOCK := uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11
IMAGES := venue checkpoint quarantine gateway rehearsal

lock: ## Renew the hash-pinned locks: development's, then those of the images, which agree with it (needs uv)
	$(LOCK) --upgrade requirements/dev.in -o requirements/dev.txt
	echo hatchling | $(LOCK) --custom-compile-command 'make lock' --no-annotate -c requirements/dev.txt - -o requirements/build.txt
	for image in $(IMAGES); do $(PYTHON) tools/images/workspace.py requirements $$image | $(LOCK) \
		--custom-compile-command 'make lock' --no-annotate -c requirements/dev.txt - -o requirements/$$image.txt || exit 1; done

operations: setup ## Make the dashboards, the list of metrics and the capacity table anew
	@$(VENV)/python -m tools.operations write

images: setup ## Build the five images with buildah, podman or docker, tell their sizes, run the chart's pods on them
	@$(VENV)/python -m tools.images.build

clean: ## Remove everything that the commands above made, the virtual environment included
	@$(PYTHON) tools/clean.py
