# Every target sets itself up; nothing but Python 3.11+ and make is assumed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install kernels demo test unit e2e lint types docs bench bench-algorithms bench-tuning bench-serving sdk-environments clean

install: $(STAMP)

KERNELS := $(wildcard src/sagebrush/algorithms/*/*.c src/sagebrush/algorithms/*/*.h)

$(STAMP): pyproject.toml setup.py $(KERNELS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

demo: install
	$(BIN)/sagebrush demo

test: unit e2e

unit: install
	$(BIN)/python -m pytest tests/unit -n 2 -q

e2e: install sdk-environments
	$(BIN)/python -m pytest tests/e2e -q

sdk-environments: .envs/sdk-v2/.installed .envs/sdk-v3/.installed

# The two generations of the SageMaker SDK cannot share an environment.
.envs/sdk-v2/.installed: tests/e2e/requirements-sdk-v2.txt
.envs/sdk-v3/.installed: tests/e2e/requirements-sdk-v3.txt
.envs/%/.installed:
	$(PYTHON) -m venv .envs/$*
	.envs/$*/bin/python -m pip install --quiet --upgrade pip
	.envs/$*/bin/python -m pip install --quiet -r tests/e2e/requirements-$*.txt
	touch $@

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install
	$(BIN)/mypy

# After a change to C code; `make install` does it too, but slower.
kernels: install
	$(BIN)/python setup.py --quiet build_ext --inplace

docs: install
	$(BIN)/python tools/generate_docs.py

bench: install
	$(BIN)/python -m benchmarks

# Every built-in algorithm beside what a user would pick instead; hours. ONLY=kmeans,pca QUICK=1
bench-algorithms: install
	$(BIN)/python -m benchmarks.side_by_side $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

# The tuner beside Optuna, syne-tune and BoTorch: many hours, resumable. ARGUMENTS='--seeds 5 --only Branin'
bench-tuning: install
	$(BIN)/python -m benchmarks.tuning $(if $(QUICK),--quick) $(ARGUMENTS)

# Endpoints beside MLServer, LitServe and BentoML, half an hour, resumable. QUICK=1, ARGUMENTS='--soak 30'
bench-serving: install
	$(BIN)/python -m benchmarks.serving $(if $(QUICK),--quick) $(ARGUMENTS)

clean:
	rm -rf $(VENV) .envs
