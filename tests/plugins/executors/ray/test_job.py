"""Jobs on the embedded cluster, as the engine runs them."""

import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from synapse_spec.plugins.events import Event, Log, Metrics, Output, Progress
from synapse_spec.plugins.execution import Invocation
from synapse_spec.plugins.executors.ray.cluster import Cluster
from synapse_spec.plugins.executors.ray.embedded import Head
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.plugins.executors.ray.job import JobOptions, JobRunner
from synapse_spec.plugins.executors.ray.job_board import JobBoard
from synapse_spec.plugins.executors.ray.job_follower import nonce_of
from synapse_spec.plugins.executors.ray.jobs_api import TERMINAL, JobsApi
from synapse_spec.plugins.executors.ray.wire import kept_line
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
    assert sorted(texts) == sorted(["printed without end, printed", "from a child", "to stderr", "WARNING lib: logged"])
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
    assert len(events) == 6
    assert all(isinstance(event, Output) for event in events)


def test_the_log_of_a_job_that_is_killed_is_whole_and_holds_no_secret(jobs: JobRunner, invoke: Invoke) -> None:
    secret = "hunter2-of-the-test"
    jobs.submit("job-hide", replace(invoke("hide", env={"SECRET": secret}), secrets=["SECRET"]), JobOptions())
    outcome, events = follow(jobs, "job-hide")
    assert outcome.reason == "WorkerDied"
    numbered = [(Output(f"{number} ***"), Metrics({"***": number}, "train")) for number in range(1000)]
    assert events == [
        Output("***"),
        Output("child *** done"),
        *(event for pair in numbered for event in pair),
        Output("a script"),
        Output("last ***"),
    ]
    assert secret.encode() not in jobs_log(jobs, "job-hide")


def test_cancel_ends_the_process_and_its_children(jobs: JobRunner, invoke: Invoke, tmp_path: Path) -> None:
    started = tmp_path / "started"
    jobs.submit("job-cancel", invoke("slow", {"started": str(started), "child": True}), JobOptions())
    pid = int(eventually(lambda: started.exists() and started.read_text()))
    jobs.cancel("job-cancel")
    assert follow(jobs, "job-cancel")[0].reason == "Cancelled"
    eventually(lambda: not alive(pid))


def test_timeout_and_leaving(jobs: JobRunner, invoke: Invoke, tmp_path: Path) -> None:
    """A job that takes too long is ended whether anybody looks or not."""
    started, child = tmp_path / "started", {"child": True}
    jobs.submit("job-slow", invoke("slow", {"started": str(started), **child}), JobOptions(timeout=2))
    pid = int(eventually(lambda: started.exists() and started.read_text()))
    gone = threading.Event()
    gone.set()
    assert jobs.follow("job-slow", lambda event: None, gone) is None
    eventually(lambda: not alive(pid))
    outcome, events = follow(jobs, "job-slow")
    assert outcome.reason == "TimedOut"
    assert outcome.error is not None
    assert "2 s" in outcome.error.message
    assert Output("slow is running") in events
    assert outcome.span is not None
    assert 2 < outcome.span[1] - outcome.span[0] < 30
    eventually(lambda: not any(b"sleep\0" + seconds in _commands() for seconds in (b"77", b"79")))


def _commands() -> bytes:
    found = b""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found += path.read_bytes() + b"\n"
    return found


def test_a_job_that_would_not_listen(jobs: JobRunner, invoke: Invoke) -> None:
    """It is in code that no signal reaches; its time is over all the same."""
    jobs.submit("job-deaf", invoke("deaf"), JobOptions(timeout=1))
    outcome, events = follow(jobs, "job-deaf")
    assert outcome.reason == "TimedOut"
    assert Output("deaf") in events


def test_cancel_is_polite_first(jobs: JobRunner, invoke: Invoke, tmp_path: Path) -> None:
    tidied = tmp_path / "tidied"
    jobs.submit("job-tidy", invoke("tidy", {"tidied": str(tidied)}), JobOptions())
    eventually(lambda: b"tidy is at work" in jobs_log(jobs, "job-tidy"))
    jobs.cancel("job-tidy")
    assert follow(jobs, "job-tidy")[0].reason == "Cancelled"
    assert tidied.exists()


def jobs_log(jobs: JobRunner, submission_id: str) -> bytes:
    info = jobs.info(submission_id)
    assert info is not None
    return jobs.open_log(info).rest(0)


def test_a_job_that_waits_for_resources_can_be_cancelled(jobs: JobRunner, invoke: Invoke) -> None:
    jobs.submit("job-big", invoke("ok"), JobOptions(num_cpus=(os.cpu_count() or 1) * 100))
    jobs.cancel("job-big")
    assert not follow(jobs, "job-big")[0].ok


def test_a_job_that_waits_for_resources_for_too_long(jobs: JobRunner, invoke: Invoke) -> None:
    jobs.submit("job-late", invoke("ok"), JobOptions(num_cpus=(os.cpu_count() or 1) * 100))
    outcome = follow(jobs, "job-late", 1)[0]
    assert outcome.reason == "PendingTimedOut"
    assert outcome.error is not None
    assert "for longer than 1 s" in outcome.error.message
    info = jobs.info("job-late")
    assert info is not None
    assert info["status"] in TERMINAL


@pytest.fixture
def elsewhere(cluster: Cluster, tmp_path: Path) -> JobRunner:
    """The same cluster, as if it were on other machines."""
    return JobRunner(replace(cluster, embedded=False), tmp_path)


def test_a_large_result_outlives_the_machine_of_its_job(
    elsewhere: JobRunner, invoke: Invoke, short_folder: Path
) -> None:
    elsewhere.submit("job-kept", invoke("large", {"words": 200_000}), JobOptions())
    outcome, events = follow(elsewhere, "job-kept")
    assert outcome.ok, (outcome, events)
    assert len(outcome.result) == 200_000

    head = Head.read(short_folder, dashboard=True)
    assert head is not None
    head.job_log_path("job-kept").unlink()
    again, told = follow(elsewhere, "job-kept")
    assert again == outcome
    assert [event.level for event in told if isinstance(event, Log)] == ["warning"]

    head.job_log_path("job-kept").write_bytes(kept_line(nonce_of(elsewhere.info("job-kept") or {})))
    elsewhere.forget("job-kept")
    elsewhere.close()
    lost = follow(elsewhere, "job-kept")[0]
    assert lost.reason == "JobLost"
    assert lost.error is not None
    assert "no more in the cluster's store" in lost.error.message


def test_a_large_result_by_http_alone(cluster: Cluster, invoke: Invoke, tmp_path: Path) -> None:
    runner = JobRunner(replace(cluster, embedded=False, address=None), tmp_path)
    runner.submit("job-http", invoke("large", {"words": 200_000}), JobOptions())
    outcome, events = follow(runner, "job-http")
    assert outcome.ok, (outcome, events)
    assert len(outcome.result) == 200_000


def test_the_log_of_a_job_elsewhere_is_followed(elsewhere: JobRunner, invoke: Invoke, tmp_path: Path) -> None:
    """Line by line while it is at work, and from the start once more by the next who follows."""
    go_on = tmp_path / "go-on"
    elsewhere.submit("job-lines", invoke("lines", {"go_on": str(go_on)}), JobOptions())
    seen: list[Event] = []

    def emit(event: Event) -> None:
        seen.append(event)
        if event == Output("line 99"):
            go_on.touch()

    outcome = elsewhere.follow("job-lines", emit, threading.Event())
    assert outcome is not None
    assert outcome.ok, outcome
    assert seen == [Output(f"line {number}") for number in range(200)]
    assert follow(elsewhere, "job-lines")[1] == seen


def test_many_jobs_are_looked_at_by_one_request(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    request = JobsApi._request

    def counted(self: JobsApi, method: str, path: str, body: bytes | None = None) -> bytes:
        asked.append(path)
        return request(self, method, path, body)

    monkeypatch.setattr(JobsApi, "_request", counted)
    assert cluster.dashboard is not None
    board = JobBoard(JobsApi(cluster.dashboard, cluster.token))
    ids = ["job-ok", "job-fail", "job-leave", "job-die", "job-forge"]
    with board.watching(), board.watching(), board.watching(), board.watching(), board.watching():
        assert all(board.records(ids).values())
        assert board.record("job-ok") == board.records(ids)["job-ok"]
        assert asked == ["/api/jobs/"]
        assert board.record("job-none") is None  # it might be younger than the list
    assert asked[1:] == ["/api/jobs/job-none"]
    assert board.record("job-ok") is not None
    assert asked[2:] == ["/api/jobs/job-ok"]


def test_records_of_jobs_that_were_fetched_go_when_they_are_old(elsewhere: JobRunner, tmp_path: Path) -> None:
    young, old, open_yet = "job-fail", "job-leave", "job-die"
    for name in (young, old):
        elsewhere.forget(name)
    week = time.time() - 8 * 24 * 3600
    os.utime(tmp_path / "fetched" / old, (week, week))
    elsewhere.close()
    assert elsewhere.info(old) is None
    assert elsewhere.known(young)
    assert elsewhere.known(open_yet)
    assert [path.name for path in (tmp_path / "fetched").iterdir()] == [young]


def test_how_long_records_of_jobs_stay_is_said(cluster: Cluster, invoke: Invoke, tmp_path: Path) -> None:
    runner = JobRunner(replace(cluster, embedded=False), tmp_path, keep=0)
    runner.submit("job-not-kept", invoke("ok"), JobOptions())
    assert follow(runner, "job-not-kept")[0].ok
    runner.forget("job-not-kept")
    runner.close()
    assert runner.known("job-not-kept"), "Ray would bring it back as a failed one"
    time.sleep(5)
    runner.close()
    assert not runner.known("job-not-kept")


def test_a_cluster_that_ends_with_us_leaves_no_note_of_what_was_fetched(jobs: JobRunner, short_folder: Path) -> None:
    jobs.forget("job-die")
    jobs.close()
    assert not (short_folder / "fetched").exists()


def test_tasks_only_clusters_serve_no_jobs(tmp_path: Path) -> None:
    with pytest.raises(ClusterUnreachable, match="jobs need its dashboard"):
        JobRunner(Cluster("127.0.0.1:1", None, None, True), tmp_path)
