"""`synapse cluster`, and runs that name a cluster, on real ones: two heads of ours play the clusters of others."""

import json
import os
import re
import signal
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from synapse_spec.plugins.executors.ray import embedded, warm
from synapse_spec.plugins.executors.ray.cluster import Cluster, reach_embedded
from synapse_spec.plugins.executors.ray.job import JobRunner
from synapse_spec.plugins.executors.ray.jobs_api import TERMINAL, JobsApi
from tests.engine.project import Project, run
from tests.plugins.executors.ray.conftest import alive, eventually, leftovers

pytestmark = pytest.mark.ray

WHERE = """
import os
import time

from synapse_spec.plugins.decorators import action


@action()
def where(params, ctx):
    import ray

    return ray.get_runtime_context().gcs_address if ray.is_initialized() else os.environ["RAY_ADDRESS"]


@action()
def wait(params, ctx):
    time.sleep(params["seconds"])
    return "waited"
"""

SETTINGS = """
[clusters.alpha]
address = "{alpha.address}"
token = {{env = "ALPHA_TOKEN"}}
namespace = "team"

[clusters.pages]
dashboard = "{alpha.dashboard}"
headers = {{Authorization = {{file = "header"}}, X-Team = "vision"}}

[clusters.beta]
address = "{beta.address}"
token = {{file = "beta.token"}}

[clusters.closed]
address = "127.0.0.1:1"

[clusters.wrong]
address = "{alpha.address}"
dashboard = "{alpha.dashboard}"
token = {{env = "WRONG_TOKEN"}}

[clusters.unset]
address = "{alpha.address}"
token = {{env = "UNSET_TOKEN"}}
"""


@dataclass(frozen=True, slots=True)
class Two:
    """Two clusters; the first serves jobs, and is in the user's cache folder."""

    folder: Path
    alpha: Cluster
    beta: Cluster


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("XDG_CACHE_HOME", str(cache))
        # On clusters of others a job's Python is the one that is first in the path.
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        folder = cache / "synapse-spec" / "ray"
        with reach_embedded(folder) as alpha, reach_embedded(cache / "beta", dashboard=False) as beta:
            patch.setenv("ALPHA_TOKEN", str(alpha.cluster.token))
            patch.setenv("WRONG_TOKEN", "f" * 48)
            yield Two(folder, alpha.cluster, beta.cluster)
            warm.down(folder, force=True)  # where a test has failed


@pytest.fixture
def lab(two: Two, tmp_path: Path) -> Project:
    """A project whose settings name the clusters."""
    project = Project(tmp_path)
    project.plugin("where", {"plugin/act.py": WHERE}, {name: f"plugin.act:{name}" for name in ("where", "wait")})
    (tmp_path / "synapse.toml").write_text(SETTINGS.format(alpha=two.alpha, beta=two.beta))
    (tmp_path / "beta.token").write_text(f"{two.beta.token}\n")
    (tmp_path / "header").write_text(f"Bearer {two.alpha.token}\n")
    return project


def at(name: str, cluster: str | None, mode: str, action: str = "where", **spec: Any) -> dict[str, Any]:
    named = {"cluster": cluster} if cluster is not None else {}
    return run(name, action, **{"plugin": {"path": "where"}, "mode": mode, **named, **spec})


def test_several_clusters_in_one_apply(lab: Project, two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # which a name goes before
    here = at("here", "closed", "local", "wait", params={"seconds": 0})
    tasks = [at("a", "alpha", "task"), at("b", "beta", "task")]
    lab.write(here, *tasks, at("page", "pages", "job"))
    done = lab.call("apply", "spec.yaml")
    assert done.returncode == 0, done.stderr
    statuses = lab.statuses()
    page = statuses.pop("page").attempt  # Ray tells its RAY_ADDRESS of any cluster on the machine
    assert page is not None
    assert page.cluster == "pages"
    assert (JobsApi(str(two.alpha.dashboard), two.alpha.token).info(page.handle) or {})["status"] == "SUCCEEDED"
    alpha, beta = two.alpha.address, two.beta.address
    results = {"here": "waited", "a": alpha, "b": beta}
    assert {name: status.result for name, status in statuses.items()} == results
    went = {name: status.attempt and status.attempt.cluster for name, status in statuses.items()}
    assert went == {"here": None, "a": "alpha", "b": "beta"}
    for secret in (two.alpha.token, two.beta.token):
        assert str(secret) not in (lab.root / "spec.status.yaml").read_text() + done.stderr

    lab.write(here, at("a", "beta", "task"), at("b", None, "local"), at("page", "alpha", "job"))
    assert "nothing to do" in lab.call("apply", "spec.yaml").stderr, "where it runs is no part of what is computed"


@pytest.mark.parametrize(
    ("cluster", "mode", "told"),
    [
        ("closed", "task", "cluster 'closed': no Ray at 127.0.0.1:1: Connection refused"),
        ("closed", "job", "cluster 'closed': no Ray at 127.0.0.1:1: Connection refused"),
        ("wrong", "task", "its token is wrong"),
        ("wrong", "job", "its token is wrong"),
        ("unset", "task", "cluster 'unset': its token is missing: UNSET_TOKEN is not set"),
        ("pages", "task", "cluster 'pages' serves jobs only"),
        ("beta", "job", "has no dashboard, which jobs need"),
    ],
)
def test_a_cluster_that_does_not_serve(lab: Project, cluster: str, mode: str, told: str) -> None:
    lab.write(at("far", cluster, mode))
    done = lab.call("apply", "spec.yaml")
    assert (done.returncode, told in done.stderr) == (6, True), done.stderr
    assert "Traceback" not in done.stderr
    assert lab.statuses() == {}


def test_a_job_is_found_where_it_went(lab: Project, two: Two) -> None:
    """Whatever its spec says by now, and also when that is gone."""
    lab.write(at("ends", "alpha", "job", "wait", params={"seconds": 1}))
    lab.write(at("stays", "pages", "job", "wait", params={"seconds": 90}), file="other.yaml")
    assert lab.call("apply", ".", "--no-wait").returncode == 0
    stays = lab.status("stays", "other").attempt
    assert stays is not None
    jobs = JobsApi(str(two.alpha.dashboard), two.alpha.token)
    eventually(lambda: (jobs.info(stays.handle) or {}).get("status") == "RUNNING")
    lab.write(at("ends", "closed", "job", "wait", params={"seconds": 1}))
    eventually(lambda: "Succeeded" in lab.call("status", "spec.yaml").stdout, 40)
    assert lab.status("ends").result == "waited"

    lab.write(at("another", None, "local", "wait", params={"seconds": 0}), file="other.yaml")
    done = lab.call("apply", "other.yaml", "--prune")
    assert (done.returncode, "removed the status of stays" in done.stderr) == (0, True), done.stderr


def test_what_cannot_be_asked_is_left_as_it_is(lab: Project) -> None:
    lab.write(at("kept", "alpha", "job", "wait", params={"seconds": 60}))
    assert lab.call("apply", "spec.yaml", "--no-wait").returncode == 0
    settings = lab.root / "synapse.toml"
    known = settings.read_text()
    settings.write_text(known.replace("[clusters.alpha]", "[clusters.renamed]"))
    looked = lab.call("status", "spec.yaml")
    assert ("Running" in looked.stdout, "there is no cluster 'alpha' in" in looked.stderr) == (True, True)
    assert lab.call("cancel", "kept").returncode == 6
    settings.write_text(known)
    assert lab.call("cancel", "kept").returncode == 0
    assert lab.status("kept").phase == "Cancelled"


def test_a_job_that_waits_where_only_ray_can_end_it(lab: Project, two: Two) -> None:
    lab.write(at("far", "pages", "job", "wait", resources={"custom": {"nowhere": 1}}))
    assert lab.call("apply", "spec.yaml", "--no-wait").returncode == 0
    assert lab.call("cancel", "far").returncode == 0
    status = lab.status("far")
    assert (status.phase, "Ray may keep for a quarter of an hour" in status.message) == ("Cancelled", True)
    assert status.attempt is not None
    handle = status.attempt.handle
    jobs = JobRunner(two.alpha, two.folder)
    jobs.cancel(handle)  # which this process can
    eventually(lambda: (jobs.info(handle) or {}).get("status") in TERMINAL)


def test_looking_starts_no_ray(lab: Project) -> None:
    """A job of the embedded cluster, which is gone: its superseding, status and cancel need none."""
    lab.write(run("lost", params={"value": 1}))
    assert lab.cli("apply", "spec.yaml").exit_code == 0
    path = lab.root / "spec.status.yaml"
    path.write_text(path.read_text().replace("phase: Succeeded", "phase: Running").replace("mode: local", "mode: job"))
    lab.write(run("lost", params={"value": 2}))
    done = lab.call("apply", "spec.yaml")
    assert (done.returncode, lab.status("lost").phase) == (0, "Succeeded"), done.stderr
    assert not (lab.root / ".synapse" / "ray").exists()


def test_a_warm_one(lab: Project, two: Two) -> None:
    """The head in the cache folder is made to stay, is found by who needs one, and ends when it is told to."""
    assert lab.call("cluster", "status").returncode == 6
    first, again = lab.call("cluster", "up"), lab.call("cluster", "up")
    assert ("up in" in first.stderr, "up already" in again.stderr) == (True, True)
    assert str(two.alpha.address) in first.stdout

    lab.write(
        at("tepid", None, "task"), at("warm", None, "job"), at("left", None, "job", "wait", params={"seconds": 90})
    )
    done = lab.call("apply", "spec.yaml", "--only", "tepid", "--only", "warm")
    assert done.returncode == 0, done.stderr
    assert {lab.status(name).result for name in ("tepid", "warm")} == {two.alpha.address}
    assert lab.call("apply", "spec.yaml", "--no-wait").returncode == 0
    assert not (lab.root / ".synapse" / "ray").exists()
    told = json.loads(lab.call("cluster", "status", "-o", "json").stdout)["cluster"]
    left = lab.status("left").attempt
    assert left is not None
    assert (told["address"], told["jobs"], told["users"]) == (two.alpha.address, [left.handle], 1)
    assert str(two.alpha.token) not in json.dumps(told)

    refused = lab.call("cluster", "down")
    assert (refused.returncode, left.handle in refused.stderr) == (5, True), refused.stderr
    assert lab.call("cancel", "left").returncode == 0
    refused = lab.call("cluster", "down")
    assert (refused.returncode, "a process that uses it" in refused.stderr) == (5, True), refused.stderr
    head = embedded.Head.read(two.folder, dashboard=True)
    assert head is not None
    assert lab.call("cluster", "down", "--force").returncode == 0
    assert leftovers(head) == []
    assert "there is no warm Ray" in lab.call("cluster", "down").stderr


def test_one_of_a_size_that_was_killed_is_cleaned_up(lab: Project, two: Two) -> None:
    up = lab.call("cluster", "up", "--cpus", "1")
    assert re.match(r"up in \d+\.\d s", up.stderr)
    record = embedded.record_path(two.folder, dashboard=True)
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert "CPUs       1, 1 free" in up.stdout
    lab.write(*(at(name, None, "task", "wait", params={"seconds": 1.5}) for name in ("one", "other")))
    assert lab.call("apply", "spec.yaml").returncode == 0
    attempts = [status.attempt for status in lab.statuses().values() if status.attempt]
    (_, ended), (begun, _) = sorted((item.started_at, str(item.finished_at)) for item in attempts)
    assert ended <= begun, "as many at once as it has CPUs"

    head = embedded.Head.read(two.folder, dashboard=True)
    assert head is not None
    os.kill(head.pid, signal.SIGKILL)
    eventually(lambda: not alive(head.pid))
    assert lab.call("cluster", "status").returncode == 6
    assert leftovers(head) == []
    assert not record.exists()
