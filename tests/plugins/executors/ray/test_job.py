"""Jobs on the embedded cluster, as the engine runs them."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from synapse_spec.plugins.events import Metrics, Output, Progress
from synapse_spec.plugins.execution import Invocation
from synapse_spec.plugins.executors.ray.cluster import Cluster
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.plugins.executors.ray.job import JobOptions, JobRunner
from synapse_spec.plugins.executors.ray.jobs_api import JobsApi
from tests.plugins.executors.ray.conftest import alive, eventually, follow

pytestmark = pytest.mark.ray

Invoke = Callable[..., Invocation]


def test_result_and_events_come_back(cluster: Cluster, invoke: Invoke, plugin: Path, short_folder: Path) -> None:
    jobs = JobRunner(cluster, short_folder, environ={"SYNAPSE_TEST_CLIENT": "seen"})
    given = invoke("ok", {"value": 7}, env={"GIVEN": "secret-value"}, job_id="job-ok")
    assert jobs.submit("job-ok", given, JobOptions(metadata={"run": "ok"}))
    outcome, events = follow(jobs, "job-ok")

    assert outcome.ok, outcome
    assert outcome.result | {"pid": 0} == {
        "value": 7, "cwd": str(plugin), "pid": 0, "env": "secret-value", "own": "seen", "id": "job-ok",
    }  # fmt: skip
    assert outcome.metrics == {"train": {"loss": 0.5}}
    texts = [event.text for event in events if isinstance(event, Output)]
    assert sorted(texts) == sorted(
        ["printed without end", "printed", "from a child", "to stderr", "WARNING lib: logged"]
    )
    assert [event for event in events if isinstance(event, Progress | Metrics)] == [
        Progress(1, 2, "step"),
        Metrics({"loss": 0.5}, "train"),
    ]


def test_a_second_follower_gets_the_same(jobs: JobRunner) -> None:
    assert follow(jobs, "job-ok") == follow(jobs, "job-ok")


def test_what_ray_shows_holds_no_params_and_no_secret(cluster: Cluster, short_folder: Path) -> None:
    assert cluster.dashboard is not None
    info = JobsApi(cluster.dashboard, cluster.token).info("job-ok")
    assert info is not None
    assert info["metadata"]["run"] == "ok"
    assert "secret-value" not in json.dumps(info)
    assert '"value"' not in json.dumps(info)
    assert list((short_folder / "jobs/job-ok").glob("payload*")) == []


def test_the_same_id_is_the_same_job(jobs: JobRunner, invoke: Invoke) -> None:
    assert not jobs.submit("job-ok", invoke("ok", {"value": 8}), JobOptions())
    assert follow(jobs, "job-ok")[0].result["value"] == 7
    assert jobs.known("job-ok")
    assert not jobs.known("job-none")
    assert follow(jobs, "job-none")[0].reason == "JobLost"


def test_each_way_to_end(jobs: JobRunner, invoke: Invoke) -> None:
    for name in ("fail", "leave", "die", "forge"):
        jobs.submit(f"job-{name}", invoke(name), JobOptions())
    jobs.submit("job-refused", invoke("ok", {"value": "x"}), JobOptions())

    failed = follow(jobs, "job-fail")[0]
    assert failed.reason == "ActionFailed"
    assert failed.error is not None
    assert (failed.error.type, failed.error.message) == ("ValueError", "wrong value")
    assert failed.error.traceback.splitlines()[1].strip().startswith('File "')
    assert "plugin/act.py" in failed.error.traceback.splitlines()[1]

    assert follow(jobs, "job-leave")[0].reason == "ActionFailed"
    assert follow(jobs, "job-refused")[0].reason == "InvalidParams"

    died, events = follow(jobs, "job-die")
    assert died.reason == "WorkerDied"
    assert Output("last words") in events


def test_printed_markers_forge_nothing(jobs: JobRunner) -> None:
    outcome, events = follow(jobs, "job-forge")
    assert outcome.reason == "WorkerDied"
    assert outcome.error is not None
    assert "without a record" in outcome.error.message
    assert len(events) == 4
    assert all(isinstance(event, Output) for event in events)


def test_cancel_ends_the_process_and_its_children(jobs: JobRunner, invoke: Invoke, tmp_path: Path) -> None:
    started = tmp_path / "started"
    jobs.submit("job-cancel", invoke("slow", {"started": str(started), "child": True}), JobOptions())
    pid = int(eventually(lambda: started.exists() and started.read_text()))
    jobs.cancel("job-cancel")
    assert follow(jobs, "job-cancel")[0].reason == "Cancelled"
    eventually(lambda: not alive(pid))


def test_timeout_and_leaving(jobs: JobRunner, invoke: Invoke, tmp_path: Path) -> None:
    started = tmp_path / "started"
    jobs.submit("job-slow", invoke("slow", {"started": str(started)}), JobOptions())
    eventually(started.exists)
    gone = threading.Event()
    gone.set()
    assert jobs.follow("job-slow", lambda event: None, gone) is None
    outcome = follow(jobs, "job-slow", timeout=1)[0]
    assert outcome.reason == "TimedOut"
    assert outcome.error is not None
    assert "1 s" in outcome.error.message


def test_a_job_that_waits_for_resources_can_be_cancelled(jobs: JobRunner, invoke: Invoke) -> None:
    jobs.submit("job-big", invoke("ok"), JobOptions(num_cpus=(os.cpu_count() or 1) * 100))
    jobs.cancel("job-big")
    assert not follow(jobs, "job-big")[0].ok


def test_tasks_only_clusters_serve_no_jobs(tmp_path: Path) -> None:
    with pytest.raises(ClusterUnreachable, match="jobs need its dashboard"):
        JobRunner(Cluster("127.0.0.1:1", None, None, True), tmp_path)
