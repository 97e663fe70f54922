# Everything here sets itself up on a machine that has Python 3.11 or newer, git and make.
# The second run of a target does no set-up work.
#
#   make demo                       the demo with its own Hub
#   make test                       the tests on every supported Python of this machine
#   make test ARGS="-k login -x"    with arguments for pytest
#   make test PYTHONS=3.12          on this version alone
#   make style types rules wheel    what else has to hold before a commit
#   make format                     puts the code into shape
#   make coverage                   which lines and branches the tests reach
#   make lowest                     the tests with the oldest dependencies that setup.cfg takes
#   make requirements               writes docs/requirements.md anew from the tests
#   make faults                     what happens when parts of the house fail, long (make test: a little of it)
#   make bench-renewal              what renewals and guarded requests cost (ARGS=--quick: the small sizes)

.PHONY: demo test style format types rules wheel coverage lowest requirements faults bench-renewal clean dev-venv

ARGS =
ifdef PYTHONS
export PYTHONS
endif
DEV = .venvs/dev/bin/python

demo:
	@python=$$(sh scripts/pythons.sh first) && sh scripts/venv.sh .venv "$$python"
	@exec .venv/bin/python -m demo_app $(ARGS)

test:
	@sh scripts/test.sh $(ARGS)

style: dev-venv
	$(DEV) -m ruff check .
	$(DEV) -m ruff format --check .

format: dev-venv
	$(DEV) -m ruff check --fix .
	$(DEV) -m ruff format .

types: dev-venv
	$(DEV) -m mypy

rules: dev-venv
	$(DEV) -m pytest tests/test_layout.py tests/test_requirements.py tests/test_packaging.py -v

wheel: dev-venv
	@sh scripts/wheel.sh $(DEV)

coverage: dev-venv
	@sh scripts/programs.sh
	$(DEV) -m coverage erase
	$(DEV) -m coverage run -m pytest $(ARGS)
	$(DEV) -m coverage combine
	$(DEV) -m coverage report

lowest:
	@sh scripts/programs.sh
	@mkdir -p .venvs
	@sed -n '/^install_requires/,/^$$/s/^ *\(.*\)>=/\1==/p' setup.cfg >.venvs/lowest.txt
	@python=$$(sh scripts/pythons.sh first) && \
		PIP_CONSTRAINT=$(CURDIR)/.venvs/lowest.txt sh scripts/venv.sh .venvs/lowest "$$python" test
	.venvs/lowest/bin/python -m pytest $(ARGS)

requirements: dev-venv
	$(DEV) -m tests.requirements --write

faults: dev-venv
	@sh scripts/programs.sh
	FAULTS=long $(DEV) -m pytest tests/faults tests/tokens/test_many.py tests/web/test_broken_records.py -v -s $(ARGS)

bench-renewal: dev-venv
	@sh scripts/programs.sh
	@$(DEV) -m benchmarks.renewal $(ARGS)

dev-venv:
	@python=$$(sh scripts/pythons.sh first) && sh scripts/venv.sh .venvs/dev "$$python" dev

clean:
	rm -rf .venv .venvs build dist htmlcov .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
