# Short names for what is done often. Everything works without make: see the commands.
.DEFAULT_GOAL := help
PYTHON := .tocsin/check/bin/python

help: ## say what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

check: ## everything that must be true before a change lands
	bin/check

test: ## the tests alone
	$(PYTHON) -m pytest -n 2

format: ## lay the code out
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

pins: ## resolve every version again and pin it in pyproject.toml
	bin/pins

messages: ## bring the translations up to date with the code, and compile them
	$(PYTHON) bin/messages

reference: ## rewrite the parts of the documentation that come from the code
	$(PYTHON) bin/reference

size: ## measure the plain installation
	@bin/tocsin --version >/dev/null && du -sk .tocsin/venv | awk '{ print int($$1 / 1024) " MB" }'

benchmark: ## measure; dated figures are kept in docs/benchmarks
	$(PYTHON) -m pytest -m benchmark -s tests/benchmark

faults: ## kill investigations, publications, the worker and senders at 50 seeded moments each: nothing lost, nothing doubled
	TOCSIN_FAULTS=50 $(PYTHON) -m pytest tests/scenario tests/contract -k kill

.PHONY: help check test format pins messages reference size benchmark faults
