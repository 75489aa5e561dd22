# Two commands for a new user: `make demo` and `make test`. Everything else is for developers.
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-all fuzz lint rebuild-check docs site goldens clean

demo: $(VENV)/demo.stamp ## Build the model of specs/ and predict with it.
	@bertspec validate specs
	@bertspec compile specs
	@dvc repro
	@bertspec show
	@echo
	@bertspec predict sentiment \
		"A tender, funny film that I will see again." \
		"The jokes land with a thud and the ending is an insult."

# Of each of two processes: more threads would wait for each other.
test: export OMP_NUM_THREADS := 1
# Compiled modules are kept: many tests start processes.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/dev.stamp ## Run every test, the linters and the type checker.
	ruff check . && ruff format --check .
	mypy
	lint-imports
	python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder --durations 30 $(PYTEST)

test-all: ## Run every test, and every combination of those that have many.
	$(MAKE) test PYTEST=--thorough

fuzz: $(VENV)/dev.stamp ## Try 10,000 broken specs of each kind.
	python -m pytest -n 0 --hypothesis-profile long tests/spec/test_fuzz.py

lint: $(VENV)/dev.stamp
	pre-commit run --all-files

rebuild-check: $(VENV)/demo.stamp ## Build the demo again in a new folder, on one core, and compare every byte.
	taskset --cpu-list 0 bertspec verify

docs: $(VENV)/dev.stamp ## Write what is generated from the code: schema, field reference, error codes.
	python -m tests.generated --write

site: $(VENV)/dev.stamp ## Write the documentation as a site, to site/.
	mkdocs build --strict

goldens: $(VENV)/dev.stamp
	python -m pytest tests --update-goldens -q

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

SAY_INSTALLING = echo "Installing bertspec and its packages (PyTorch is the largest) into $(VENV): a few minutes, the first time."

$(VENV)/demo.stamp: $(VENV)/bin/python pyproject.toml constraints.txt
	@$(SAY_INSTALLING)
	$(VENV)/bin/python -m pip install --quiet --use-pep517 --constraint constraints.txt torch
	$(VENV)/bin/python -m pip install --quiet --use-pep517 --constraint constraints.txt --editable '.[demo]'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/bin/python pyproject.toml constraints.txt
	@$(SAY_INSTALLING)
	$(VENV)/bin/python -m pip install --quiet --use-pep517 --constraint constraints.txt torch
	$(VENV)/bin/python -m pip install --quiet --use-pep517 --constraint constraints.txt --editable '.[demo,dev]'
	@touch $@ $(VENV)/demo.stamp

clean:
	rm -rf $(VENV) .bertspec build *.egg-info
