# Everything a developer does; `make demo` and `make test` need nothing before them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
UV := 0.13.9
RUN := source $(VENV)/bin/activate && export PYTHONPATH=src && eval "$$($(PYTHON) -m lab env)" &&

.PHONY: demo test test-fleet test-long lint unit bench bench-edit bench-fleet bench-forecast bench-peers bench-push bench-replay bench-startup bench-variants screenshots soak lab lab-stop lab-env front-doors golden lock clean

demo: lab  ## The main job on the lab: flask, cold on main, then warm on a new branch
	@eval "$$($(PYTHON) -m lab env)" && $(PYTHON) -m lab.demo

test: PARTS := gha s3 azblob otelcol arm64 act gitlab-ci-local browser
test: lint lab  ## Lint, types, unit, contract and integration tests
	@$(RUN) pytest -m "not long" --ignore tests/fleet -n 3 --dist loadfile --no-loadscope-reorder --cov --cov-report=term-missing --durations=10

test-fleet: PARTS := kubernetes
test-fleet: $(VENV)/ready lab  ## Builders in pods, on a cluster; its first build takes minutes
	@$(RUN) pytest tests/fleet -n 2 --dist loadfile --durations=10

test-long: PARTS := gha
test-long: $(VENV)/ready lab  ## What compiles or measures for minutes
	@$(RUN) pytest -m long

lint: $(VENV)/ready
	@source $(VENV)/bin/activate && ruff format --check . && ruff check . && mypy && codespell && \
	PYTHONPATH=src lint-imports --no-cache --no-logo && \
	zizmor --quiet --offline --pedantic --strict-collection .github action.yml && \
	"$$($(PYTHON) -m lab actionlint)" -shellcheck shellcheck .github/workflows/*.yml

unit: $(VENV)/ready  ## The fast tests alone
	@source $(VENV)/bin/activate && pytest tests/unit tests/contract tests/golden

bench: $(VENV)/ready lab  ## An all-cached rebuild: warmbuild against the bare commands
	@$(RUN) python benchmarks/rebuild.py

bench-edit: PARTS := gha
bench-edit: $(VENV)/ready lab  ## What an edit costs, by strategy; half an hour without OPTIONS
	@$(RUN) python benchmarks/edit.py $(OPTIONS)

bench-fleet: PARTS := kubernetes
bench-fleet: $(VENV)/ready lab  ## Builders in pods: boot, a warm run, eight builds at once
	@$(RUN) PYTHONPATH=src:. python benchmarks/fleet.py

bench-forecast: $(VENV)/ready lab  ## How many steps plans foresee; OPTIONS has clones of histories
	@$(RUN) python benchmarks/forecasts.py $(OPTIONS)

bench-peers: PARTS := gha
bench-peers: $(VENV)/ready lab  ## What teams do today, against warmbuild; half a day without OPTIONS
	@$(RUN) PYTHONPATH=src:. python benchmarks/peers.py $(OPTIONS)

bench-push: $(VENV)/ready lab  ## How often a push fails beside the export of its cache
	@$(RUN) python benchmarks/side_by_side.py

bench-replay: $(VENV)/ready lab  ## Steps that 25 commits run, by strategy; hours without OPTIONS
	@$(RUN) python benchmarks/replay.py $(OPTIONS)

bench-startup: $(VENV)/ready  ## How long a plan takes to start, against an interpreter alone
	@source $(VENV)/bin/activate && python benchmarks/startup.py $(OPTIONS)

bench-variants: $(VENV)/ready lab  ## When the cache is written, and how it is compressed
	@$(RUN) python benchmarks/variants.py

screenshots: PARTS := browser
screenshots: $(VENV)/ready lab  ## Pictures of the report, for the docs
	@$(RUN) python -m lab.screenshots

soak: $(VENV)/ready lab  ## Builds with random faults, for half an hour
	@$(RUN) pytest -sq tests/faults/soak.py $(OPTIONS)

lab:  ## A real engine, BuildKit and registries on this machine
	@$(PYTHON) -m lab up $(PARTS)

lab-stop:
	@$(PYTHON) -m lab down

lab-env:  ## What a shell needs to use the lab by hand: eval "$$(make lab-env)"
	@$(PYTHON) -m lab env

front-doors: $(VENV)/ready  ## Write the table of inputs into every front door
	@source $(VENV)/bin/activate && PYTHONPATH=src python docs/generate.py

golden: $(VENV)/ready  ## Write what warmbuild says into the golden files; read the diff
	@source $(VENV)/bin/activate && pytest -q tests/golden --rewrite

lock: $(VENV)/ready  ## Pin the newest versions that pyproject.toml allows
	@source $(VENV)/bin/activate && pip install --quiet uv==$(UV) && \
	uv pip compile --quiet --upgrade --generate-hashes --universal --python-version 3.11 \
		--no-annotate --no-header --group dev pyproject.toml -o requirements-dev.lock && \
	uv pip compile --quiet --upgrade --generate-hashes --universal --python-version 3.11 \
		--no-annotate --no-header pyproject.toml -o requirements.lock \
		$(addprefix --no-emit-package ,$(UNUSED))

# What actions-toolkit and rich ask for and their parts that we import do not use; and Windows.
UNUSED := pygithub cryptography pynacl cffi pycparser pyjwt typing-extensions pywin32 \
	markdown-it-py mdurl pygments

$(VENV)/ready: requirements-dev.lock
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { apt-get update -qq && apt-get install -y -qq python3-venv; }
	@$(PYTHON) -m venv --clear $(VENV)
	@command -v npm >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs npm; }
	@$(VENV)/bin/pip install --quiet --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

clean:
	rm -rf $(VENV) .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
