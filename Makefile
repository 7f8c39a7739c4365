# Footnote's commands. `make run` and `make test` are all a newcomer needs; everything is idempotent.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
PORT ?= 8000

.PHONY: run test check bench format clean

## run: install what the product needs, migrate, load the demo organisation once, serve on http://127.0.0.1:8000
run: .venv/.installed
	@$(BIN)/python manage.py demo --once
	@exec $(BIN)/python manage.py serve --port $(PORT)

## test: install what the tests need and run everything (DATABASE_URL chooses PostgreSQL instead of SQLite)
test: .venv/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

## check: lint, format, types, import contracts, migrations, templates, spelling
check: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/djade --check --target-version 5.2 $$(git ls-files 'templates/*.html')
	$(BIN)/typos

## bench: print the figures quoted in the docs (SUITES=path to evaluation suites for the retrieval ones)
bench: .venv/.installed-dev
	$(BIN)/python -m benchmarks.run

format: .venv/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# torch first and alone: its exact version names the CPU build, and nothing that follows may replace it.
.venv/.installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing Footnote's libraries into .venv (first time: a few minutes) …"
	@$(PIP) install -c constraints.txt torch==2.13.0
	@$(PIP) install -c constraints.txt -e .
	@touch $@

.venv/.installed-dev: .venv/.installed
	@$(PIP) install -c constraints.txt -e ".[dev]"
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
