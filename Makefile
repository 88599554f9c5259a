# On a fresh Debian or Ubuntu machine with Python >= 3.11 (with venv) and make:
#
#   make demo    sets up everything and runs the main job
#   make test    sets up everything and runs the tests and the checks
#
# PYTHON=python3.12 chooses the interpreter of a new virtual environment,
# VENV=folder where it stands, PYTEST_ARGS="-k otsu" what pytest is told.

VENV ?= .venv
PYTHON ?=
PYTEST_ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
# torch is installed first and alone, so that its build (small, or with CUDA) is
# settled before anything that depends on it is looked at.
INSTALL := $(PIP) install --constraint constraints.txt
# Qt would otherwise prefer the Wayland session around the virtual display.
VIRTUAL_DISPLAY := QT_QPA_PLATFORM=xcb xvfb-run -a -s "-screen 0 1600x1000x24"
HAS_DISPLAY := $(DISPLAY)$(WAYLAND_DISPLAY)

# Setup is repeated only when what it depends on has changed.
SETUP := pyproject.toml constraints.txt scripts/virtual_environment.sh
READY := $(VENV)/.ready
READY_TO_TEST := $(VENV)/.ready-to-test

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test test-core test-pyqt6 test-pyside6 lint style types doors setup setup-tests window \
	display clean

help:
	@echo "make demo    set up everything and run the main job (in a window if there is a display)"
	@echo "make test    set up everything and run the tests and the checks"
	@echo "make lint    style, types and the doors between the rooms"
	@echo "make setup   the virtual environment with the package, in $(VENV)"
	@echo "make clean   remove the virtual environment and everything else that was made"

ifneq ($(HAS_DISPLAY),)
demo: window setup
	$(BIN)/vstain demo
else
demo: setup
	$(BIN)/vstain demo --output demo-output --overwrite
	@echo "There is no display, so nothing was shown: the pictures are in demo-output."
endif

# Everything is run even if something fails, so that one run tells all.
test: display setup-tests
	@$(MAKE) --no-print-directory --keep-going test-core test-pyqt6 test-pyside6 lint

# A process for each core, of one thread: the networks are small, and threads would mostly wait for each other.
test-core: setup-tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --ignore tests/gui --numprocesses auto --maxprocesses 8 --dist worksteal $(PYTEST_ARGS)

# One after the other: windows share the keyboard's focus.
test-pyqt6: display setup-tests
	OMP_NUM_THREADS=1 QT_API=pyqt6 PYTEST_QT_API=pyqt6 $(VIRTUAL_DISPLAY) $(BIN)/python -m pytest tests/gui $(PYTEST_ARGS)

test-pyside6: display setup-tests
	OMP_NUM_THREADS=1 QT_API=pyside6 PYTEST_QT_API=pyside6 $(VIRTUAL_DISPLAY) $(BIN)/python -m pytest tests/gui $(PYTEST_ARGS)

lint: style types doors

style: setup-tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: setup-tests
	$(BIN)/mypy

doors: setup-tests
	$(BIN)/lint-imports --no-logo

setup: $(READY)

setup-tests: $(READY_TO_TEST)

# The libraries that napari's window needs, and for the tests also a virtual display.
window:
	@sh scripts/system_libraries.sh

display:
	@sh scripts/system_libraries.sh --virtual-display

$(READY): $(SETUP)
	sh scripts/virtual_environment.sh "$(VENV)" $(PYTHON)
	$(INSTALL) torch
	$(INSTALL) --editable ".[all]"
	@touch $@

$(READY_TO_TEST): $(READY)
	$(INSTALL) --editable ".[all,test]" PySide6-Essentials mypy ruff
	@touch $@

clean:
	rm -rf "$(VENV)" .tox build dist demo-output .coverage .hypothesis
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find src tests benchmarks scripts -type d -name __pycache__ -prune -exec rm -rf {} +
