"""A reader's folder, and the one Ray cluster that all of the pages' examples share."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from synapse_spec.plugins.executors.ray.cluster import reach
from tests.docs.sandbox import Sandbox


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path / "tour", tmp_path / "tools", {"XDG_CACHE_HOME": str(tmp_path / "cache")})


@pytest.fixture(scope="session")
def cache() -> Iterator[Path]:
    """A cache folder of a user on whose machine the embedded cluster is up."""
    folder = Path(tempfile.mkdtemp(prefix="docs-"))
    with reach(None, folder / "synapse-spec" / "ray", dashboard=True):
        yield folder
    shutil.rmtree(folder)


@pytest.fixture
def ray_sandbox(tmp_path: Path, cache: Path) -> Sandbox:
    """As `sandbox`; the workspace and the Python API find the same cluster."""
    folder = tmp_path / "tour"
    (folder / ".synapse").mkdir(parents=True)
    (folder / ".synapse" / "ray").symlink_to(cache / "synapse-spec" / "ray")
    return Sandbox(folder, tmp_path / "tools", {"XDG_CACHE_HOME": str(cache)})
