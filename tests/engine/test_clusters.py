"""Which cluster has a job, and what is said of a cluster that cannot be used; all without a Ray."""

import json
import socket
from pathlib import Path

import pytest

from synapse_spec.engine.clusters import Clusters
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.spec.workspace import Workspace

SETTINGS = """
[clusters.unset]
address = "127.0.0.1:1"
token = {env = "UNSET_TOKEN"}

[clusters.no-file]
dashboard = "http://127.0.0.1:1"
token = {file = "no-file"}

[clusters.empty]
dashboard = "http://127.0.0.1:1"
headers = {X-Key = {file = "empty"}}

[clusters.closed]
address = "127.0.0.1:1"
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's own cluster."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "synapse-spec" / "ray"


@pytest.fixture
def workspace(tmp_path: Path, cache: Path) -> Workspace:
    (tmp_path / "synapse.toml").write_text(SETTINGS)
    (tmp_path / "empty").touch()
    return Workspace(tmp_path)


@pytest.fixture
def closed_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize("home", ["workspace", "cache"])
@pytest.mark.parametrize("environment", [False, True])
def test_a_job_of_ours_is_looked_for_where_something_of_it_is_kept(
    workspace: Workspace,
    cache: Path,
    closed_address: str,
    monkeypatch: pytest.MonkeyPatch,
    home: str,
    environment: bool,
) -> None:
    folder = (workspace.ray if home == "workspace" else cache) / "jobs" / "mine"
    folder.mkdir(parents=True)
    (folder / "info.json").write_text(json.dumps({"status": "SUCCEEDED"}))
    (folder / "log.txt").touch()
    if environment:
        monkeypatch.setenv("RAY_ADDRESS", closed_address)
    with Clusters(workspace, None) as clusters:
        assert clusters.jobs_with(None, "mine").known("mine")
    with Clusters(workspace, closed_address) as clusters, pytest.raises(ClusterUnreachable, match=closed_address):
        clusters.jobs_with(None, "mine")


def test_a_job_of_which_nothing_is_known(
    workspace: Workspace, closed_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Clusters(workspace, None) as clusters:
        assert not clusters.jobs_with(None, "other").known("other")
    assert not workspace.ray.exists(), "none is started to look for it"
    monkeypatch.setenv("RAY_ADDRESS", closed_address)
    with Clusters(workspace, None) as clusters, pytest.raises(ClusterUnreachable, match=closed_address):
        clusters.jobs_with(None, "other")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gone", "there is no cluster 'gone' in .*synapse.toml"),
        ("unset", "cluster 'unset': its token is missing: UNSET_TOKEN is not set"),
        ("no-file", "cluster 'no-file': its token is missing: no-file cannot be read: No such file"),
        ("empty", "cluster 'empty': its X-Key is missing: empty is empty"),
        ("closed", "cluster 'closed': no Ray at 127.0.0.1:1"),
    ],
)
def test_a_cluster_that_cannot_be_used(workspace: Workspace, name: str, told: str) -> None:
    with Clusters(workspace, None) as clusters:
        with pytest.raises(ClusterUnreachable, match=told):
            clusters.jobs(name)
        with pytest.raises(ClusterUnreachable, match=told):
            clusters.jobs_with(name, "mine")
        assert clusters.chosen(name) == name


def test_an_address_for_everything_goes_before_names(workspace: Workspace, closed_address: str) -> None:
    with Clusters(workspace, closed_address) as clusters:
        assert clusters.chosen("unset") is None
        with pytest.raises(ClusterUnreachable, match=closed_address):
            clusters.jobs_with("unset", "mine")
