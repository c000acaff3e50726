"""What must hold after each test of the plugin floor."""

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def process_as_it_was(tmp_path: Path) -> Iterator[None]:
    """Running plugins leaves the process as it was."""
    before = _state()
    yield
    assert _state() == before
    left = [name for name, module in list(sys.modules.items()) if str(tmp_path) in str(_place(module))]
    assert not left, "modules of a plugin are left behind"
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("synapse-")]


def _place(module: object) -> object:
    return getattr(module, "__file__", None) or getattr(module, "__path__", None)


def _state() -> dict[str, object]:
    # pytest itself changes this variable between the phases of a test
    environ = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    return {
        "environ": environ,
        "cwd": Path.cwd(),
        "path": list(sys.path),
        "meta_path": list(sys.meta_path),
        "bytecode": sys.dont_write_bytecode,
        "streams": (sys.stdout, sys.stderr),
    }
