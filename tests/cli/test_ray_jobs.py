"""Jobs as `apply`, `status` and `cancel` see them: those that wait, that are lost, that end while nobody looks."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from synapse_spec.plugins import yaml
from synapse_spec.plugins.executors.ray.cluster import Lease, reach
from synapse_spec.plugins.executors.ray.jobs_api import TERMINAL, JobsApi

pytestmark = pytest.mark.ray

ACTIONS = """\
import time
from synapse_spec.plugins.decorators import action

@action()
def work(params, ctx):
    with open(params["file"], "a") as file:
        file.write("worked\\n")
    time.sleep(params.get("seconds", 0))
    return "done"

@action()
def fail(params, ctx):
    time.sleep(params["seconds"])
    raise ValueError("no such luck")
"""
FAILED = 1
MORE_THAN_ANY = {"cpus": 100_000}


class Project:
    """A workspace with a cluster that stays."""

    def __init__(self, folder: Path, lease: Lease) -> None:
        self.folder = folder
        self.api = JobsApi(str(lease.cluster.dashboard), lease.cluster.token)
        (folder / "one/plugin").mkdir(parents=True)
        (folder / "synapse.toml").touch()
        (folder / "one/config.yaml").write_text(
            "name: one\ncode: one\nactions: {work: plugin.act:work, fail: plugin.act:fail}\n"
        )
        (folder / "one/plugin/act.py").write_text(ACTIONS)

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.txt"

    def spec(self, name: str, **fields: Any) -> str:
        """A file of one run; `params` are added to what `work` needs."""
        params = {"file": str(self.file(name))} | fields.pop("params", {})
        spec = {"plugin": {"path": "one"}, "action": "work", "mode": "job", "params": params} | fields
        head = {"apiVersion": "synapse.dev/v1", "kind": "Run", "metadata": {"name": name}}
        (self.folder / f"{name}.yaml").write_text(yaml.dump({**head, "spec": spec}))
        return f"{name}.yaml"

    def synapse(self, *words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "synapse_spec", *words]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False)

    def status(self, name: str) -> dict[str, Any]:
        status: dict[str, Any] = yaml.parse((self.folder / f"{name}.status.yaml").read_bytes())[0]["status"]
        return status

    def job(self, name: str) -> dict[str, Any] | None:
        return self.api.info(self.status(name)["attempt"]["handle"])

    def ended(self, name: str) -> bool:
        return (self.job(name) or {})["status"] in TERMINAL

    def lose(self, name: str) -> None:
        """Let Ray forget the job, as a head that is started anew does."""
        handle = self.status(name)["attempt"]["handle"]
        self.api.stop(handle)
        _eventually(lambda: self.ended(name))
        time.sleep(4)  # Ray would bring back one that is deleted at once
        self.api.delete(handle)


@pytest.fixture(scope="module")
def project() -> Iterator[Project]:
    folder = Path(tempfile.mkdtemp(prefix="jobs-"))
    with reach(None, folder / ".synapse/ray", dashboard=True) as lease:
        yield Project(folder, lease)
    shutil.rmtree(folder)


def _eventually(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def test_a_job_that_ended_while_nobody_looked(project: Project) -> None:
    """Its times are Ray's, not those of who heard of it; and its dashboard shows what it belongs to."""
    spec = project.spec("alone", params={"seconds": 0.5})
    assert project.synapse("apply", "--no-wait", spec).returncode == 0
    assert project.status("alone")["reason"] == "Submitted"
    _eventually(lambda: project.ended("alone"))
    job = project.job("alone")
    assert job is not None
    time.sleep(3)
    assert "Succeeded" in project.synapse("status", spec).stdout
    status = project.status("alone")
    seconds = (job["end_time"] - job["start_time"]) / 1000
    assert status["attempt"]["durationSeconds"] == pytest.approx(seconds, abs=1)
    shown = {key: job["metadata"][key] for key in ("run", "spec", "digest", "attempt")}
    assert shown == {"run": "alone", "spec": "alone.yaml", "digest": status["observedDigest"], "attempt": "1"}


def test_a_lost_job_fails(project: Project) -> None:
    spec = project.spec("lost", params={"seconds": 60})
    assert project.synapse("apply", "--no-wait", spec).returncode == 0
    _eventually(project.file("lost").exists)
    project.lose("lost")
    done = project.synapse("apply", spec)
    assert done.returncode == FAILED, done.stderr
    assert project.status("lost")["reason"] == "JobLost"
    assert project.file("lost").read_text() == "worked\n", "it was submitted again"


def test_a_lost_job_is_tried_again_if_the_policy_says_so(project: Project) -> None:
    retry = {"limit": 1, "backoff": 0, "on": ["JobLost"]}
    spec = project.spec("again", params={"seconds": 4}, retry=retry)
    assert project.synapse("apply", "--no-wait", spec).returncode == 0
    _eventually(project.file("again").exists)
    project.lose("again")
    done = project.synapse("apply", spec)
    assert done.returncode == 0, done.stderr
    assert project.status("again")["attempt"]["number"] == 2
    assert [entry["reason"] for entry in project.status("again")["history"]] == ["JobLost"]


def test_reasons_that_are_not_tried_again(project: Project) -> None:
    retry = {"limit": 3, "backoff": 0, "on": ["WorkerDied", "JobLost"]}
    spec = project.spec("once", action="fail", params={"seconds": 0}, retry=retry)
    assert project.synapse("apply", spec).returncode == FAILED
    assert project.status("once")["attempt"]["number"] == 1


def test_a_job_that_fails_is_tried_again_however_it_waits(project: Project) -> None:
    """Each attempt waits first, and is taken up anew: the limit is on all of them."""
    retry = {"limit": 1, "backoff": 0}
    spec = project.spec("twice", action="fail", params={"seconds": 0}, retry=retry)
    assert project.synapse("apply", spec).returncode == FAILED
    assert project.status("twice")["attempt"]["number"] == 2


def test_a_job_that_waits_for_too_long(project: Project) -> None:
    spec = project.spec("late", resources=MORE_THAN_ANY, pendingTimeout="2s")
    done = project.synapse("apply", spec)
    assert done.returncode == FAILED, done.stderr
    status = project.status("late")
    assert status["reason"] == "PendingTimedOut"
    assert status["message"] == "the job waited for resources for longer than 2 s"
    assert project.ended("late")


def test_jobs_that_wait_are_ended_with_the_sibling_that_fails(project: Project) -> None:
    """They wait without a thread each; the first child fails once the others are there."""
    children = {"include": [{"n": n} for n in range(6)]}
    resources = {"cpus": 1}
    hungry = project.spec("hungry", matrix=children, resources=MORE_THAN_ANY)
    failing = project.spec("failing", action="fail", params={"seconds": 3}, resources=resources)
    done = project.synapse("apply", "--fail-fast", hungry, failing)
    assert done.returncode == FAILED, done.stderr
    assert project.status("failing")["reason"] == "ActionFailed"
    assert {child["reason"] for child in project.status("hungry")["children"]} == {"Cancelled"}
    assert not project.file("hungry").exists()


def test_cancel_of_a_job_that_waits(project: Project) -> None:
    """Whoever applied it hears of that, though it does not hold the run meanwhile."""
    spec = project.spec("waits", resources=MORE_THAN_ANY)
    command = [sys.executable, "-m", "synapse_spec", "apply", spec]
    with subprocess.Popen(command, cwd=project.folder, stderr=subprocess.PIPE, text=True) as apply:
        _eventually(lambda: (project.folder / "waits.status.yaml").exists() and project.job("waits") is not None)
        done = project.synapse("cancel", "waits", spec)
        assert done.returncode == 0, done.stderr
        assert apply.wait(30) == FAILED
    assert project.status("waits")["phase"] == "Cancelled"


def test_what_was_never_submitted_was_interrupted(project: Project) -> None:
    """Its client died between writing what it was about to do and doing it."""
    spec = project.spec("meant")
    assert project.synapse("apply", "--no-wait", spec).returncode == 0
    _eventually(lambda: project.ended("meant"))
    path = project.folder / "meant.status.yaml"
    handle = project.status("meant")["attempt"]["handle"]
    path.write_text(path.read_text().replace("Submitted", "Started").replace(handle, handle.replace("meant", "other")))
    assert "Interrupted" in project.synapse("status", spec).stdout
    assert project.synapse("apply", spec).returncode == 0
    assert project.status("meant")["attempt"]["number"] == 2


def test_a_plugin_that_only_the_cluster_can_import(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """With exported schemas that are fresh, nothing of it is imported here."""
    far = project.folder / "far"
    shutil.copytree(project.folder / "one", far)
    only_there = 'import os\nassert "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ, "it was imported here"\n'
    (far / "plugin/act.py").write_text(only_there + ACTIONS)
    spec = project.spec("far-away", plugin={"path": "far"})
    assert "it was imported here" in project.synapse("validate", spec).stderr
    with monkeypatch.context() as there:
        there.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
        assert project.synapse("schema", "export", "far").returncode == 0
    done = project.synapse("apply", spec)
    assert done.returncode == 0, done.stderr
    assert project.status("far-away")["result"] == "done"
