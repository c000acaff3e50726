"""Outcomes of all cases, each set made once, and one cluster for what is run on Ray."""

import pytest

from tests.plugins.executors.ray.conftest import cache_home, cluster, jobs, lease, short_folder
from tests.sdk import outcomes

__all__ = ["cache_home", "cluster", "jobs", "lease", "short_folder"]

SDK_PRELUDE = """\
from pydantic import BaseModel
from synapse_sdk.plugins.action import BaseAction
from synapse_sdk.plugins.decorators import action
"""


@pytest.fixture(scope="session")
def theirs() -> outcomes.Outcomes:
    """The SDK's own, of local runs."""
    return outcomes.local("theirs")


@pytest.fixture(scope="session")
def ours() -> outcomes.Outcomes:
    return outcomes.local("ours")
