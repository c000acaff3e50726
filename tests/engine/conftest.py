"""Fixtures of the engine's tests."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from synapse_spec.spec import cache
from tests.engine.project import Project


@pytest.fixture(autouse=True, scope="package")
def at_once() -> Iterator[None]:
    """Files are kept in the caches as soon as they are written: so it is these that the tests are about."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "_RACY_SECONDS", 0.0)
        yield


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A workspace with a plugin; nothing of ours may be left at work in this process after the test."""
    (tmp_path / "work").mkdir()
    yield Project(tmp_path / "work")
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("synapse-")]
