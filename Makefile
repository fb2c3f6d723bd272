# make demo: install into .venv where needed, then run the main job
# make test: the same set-up, then the tests
# make docs: the documentation as a site, in site/; a broken link is an error
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo test test-fast lint docs clean

demo: $(STAMP)
	$(BIN)/ssl-bench demo

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

# the part that takes under two minutes on two cores
test-fast: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m 'not slow'

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy ssl_bench

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo 'open site/index.html; with search:' \
		'$(BIN)/python -m http.server --directory site'

# the stamp is written last: an interrupted installation starts again
$(STAMP): setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo 'ssl_bench needs Python 3.10 or newer:' \
		'make PYTHON=/path/to/python3' >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[docs,test]'
	@touch $@

clean:
	rm -rf .venv build site *.egg-info
