"""Reaching clusters, and the life of the embedded one."""

import json
import os
import platform
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from synapse_spec.plugins.execution import Invocation
from synapse_spec.plugins.executors.ray import embedded, warm
from synapse_spec.plugins.executors.ray.cluster import Cluster, ClusterUnreachable, Lease, attach, detach, reach
from synapse_spec.plugins.executors.ray.embedded import Head, record_path
from synapse_spec.plugins.executors.ray.errors import JobsApiError
from synapse_spec.plugins.executors.ray.job import JobOptions, JobRunner
from synapse_spec.plugins.executors.ray.jobs_api import JobsApi
from tests.plugins.executors.ray.conftest import alive, eventually, follow, leftovers

pytestmark = pytest.mark.ray

HOLDER = """
import sys
from pathlib import Path
from synapse_spec.plugins.executors.ray.cluster import reach
lease = reach(None, Path(sys.argv[1]), dashboard=sys.argv[2] == "jobs")
print("held", flush=True)
sys.stdin.readline()
lease.release()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ray-head-") as path:
        yield Path(path)


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def holder(folder: Path, kind: str = "tasks") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(folder), kind]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def wait_held(*holders: subprocess.Popen[str]) -> None:
    for process in holders:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"


def let_go(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=20)


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "http://127.0.0.1:{}", "{}", "ftp://x:{}"])
def test_nothing_there_is_found_at_once(address: str, closed_port: int, folder: Path) -> None:
    started = time.monotonic()
    with pytest.raises(ClusterUnreachable, match=r"127\.0\.0\.1|is no Ray address"):
        reach(address.format(closed_port), folder, dashboard=address.startswith("http"))
    assert time.monotonic() - started < 3


def test_a_silent_address_is_found_within_seconds(folder: Path) -> None:
    started = time.monotonic()
    with pytest.raises(ClusterUnreachable, match="no Ray at"):
        reach("192.0.2.123:6379", folder, dashboard=False)  # of a range that nobody has
    assert time.monotonic() - started < 3


def test_the_address_of_the_environment(closed_port: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{closed_port}")
    with pytest.raises(ClusterUnreachable, match=str(closed_port)):
        reach(None, folder, dashboard=False)


def test_none_is_started_where_one_is_only_looked_for(folder: Path) -> None:
    with pytest.raises(ClusterUnreachable, match="no Ray is running"):
        reach(None, folder / "none", dashboard=True, start=False)
    assert not (folder / "none").exists()


def test_what_keeps_ray_from_starting_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_object_store_memory", "none")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    (folder / "ray.py").write_text("raise OSError('no room for Ray')")
    with pytest.raises(ClusterUnreachable, match="could not be started: OSError: no room for Ray"):
        reach(None, folder, dashboard=False)


def test_the_embedded_one_is_private(lease: object, cluster: Cluster, short_folder: Path) -> None:
    record = record_path(short_folder, dashboard=True)
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert cluster.dashboard is not None
    with pytest.raises(ClusterUnreachable, match="token is missing"):
        JobsApi(cluster.dashboard).jobs()
    with pytest.raises(ClusterUnreachable, match="token is wrong"):
        JobsApi(cluster.dashboard, "f" * 48).jobs()
    head = Head.read(short_folder, dashboard=True)
    assert head is not None
    listening = [line for line in _sockets(head.pid) if not line.startswith(("127.0.0.1:", "[::ffff:127.0.0.1]:"))]
    assert listening == []


def test_a_given_address_serves_jobs(cluster: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cluster.dashboard is not None
    monkeypatch.setenv("RAY_AUTH_TOKEN", cluster.token or "")
    with reach(cluster.dashboard, folder, dashboard=True) as lease:
        assert lease.cluster == Cluster(None, cluster.dashboard, cluster.token, False)
        assert JobsApi(cluster.dashboard, lease.cluster.token).version()["ray_version"]
        with pytest.raises(ClusterUnreachable, match="serves jobs only"):
            attach(lease.cluster)


def test_other_versions_are_refused(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    with pytest.raises(ClusterUnreachable, match=r"is Ray 2\.0\.1 with Python .* tasks need the same on both sides"):
        attach(replace(cluster, versions=("2.0.1", platform.python_version())))
    other = replace(cluster, versions=(ray.__version__, f"{platform.python_version()}9"))
    with pytest.raises(ClusterUnreachable, match="tasks need the same"):
        attach(other)
    monkeypatch.setenv("RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL", "minor")
    attach(other)
    detach()


def test_a_given_address_goes_before_the_environment(
    cluster: Cluster, folder: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{closed_port}")
    place = Cluster(cluster.address, None, cluster.token, False, namespace="team")
    with reach(place, folder, dashboard=True) as lease:
        assert lease.cluster.dashboard == cluster.dashboard
        attach(lease.cluster)
        context = ray.get_runtime_context()
        assert (context.gcs_address, context.namespace) == (cluster.address, "team")
        detach()


def test_a_warm_one_goes_before_that_of_a_folder(
    lease: Lease, cache_home: Path, short_folder: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    assert warm.state(short_folder) is None
    state, was_up = warm.up(short_folder)
    assert (state.head.address, was_up, warm.up(short_folder)[1]) == (lease.cluster.address, False, True)
    with reach(None, folder, dashboard=True) as found:
        assert (found.cluster, found.folder) == (lease.cluster, short_folder)
        held = warm.state(short_folder)
        assert held is not None
        assert held.users == 2
    with pytest.raises(warm.InUse, match="a process that uses it"):
        warm.down(short_folder)
    hold = embedded.hold(short_folder, dashboard=True, start=False)
    hold.ask("leave")
    hold.release(wait=False)
    assert warm.state(short_folder) is None


def test_jobs_api_says_what_was_refused(cluster: Cluster) -> None:
    assert cluster.dashboard is not None
    with pytest.raises(JobsApiError, match="no-such-job"):
        JobsApi(cluster.dashboard, cluster.token).stop("no-such-job")


def test_attaching_keeps_handlers_and_environment(cluster: Cluster, capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM), dict(os.environ)
    thread = threading.Thread(target=attach, args=(cluster,))
    thread.start()
    thread.join()
    attach(cluster)
    with pytest.raises(ClusterUnreachable, match="one at a time"):
        attach(Cluster("127.0.0.1:1", None, None, False))
    import ray

    detach()
    assert ray.is_initialized()
    detach()
    assert not ray.is_initialized()
    assert (signal.getsignal(signal.SIGTERM), dict(os.environ)) == before
    assert capfd.readouterr() == ("", "")


def test_two_who_start_at_once_share_one_and_the_last_ends_it(folder: Path) -> None:
    first, second = holder(folder), holder(folder)
    wait_held(first, second)
    head = Head.read(folder, dashboard=False)
    assert head is not None
    let_go(first)
    assert alive(head.pid)
    let_go(second)
    assert leftovers(head) == []
    assert not record_path(folder, dashboard=False).exists()


def test_a_killed_head_is_cleaned_up_by_the_next(folder: Path) -> None:
    first = holder(folder)
    wait_held(first)
    head = Head.read(folder, dashboard=False)
    assert head is not None
    os.kill(head.pid, signal.SIGKILL)
    second = holder(folder)
    wait_held(second)
    living = Head.read(folder, dashboard=False)
    assert living is not None
    assert living.pid != head.pid
    assert leftovers(head) == []
    let_go(first)

    os.kill(living.pid, signal.SIGKILL)  # and by its last holder
    let_go(second)
    assert leftovers(living) == []


def test_a_job_outlives_its_clients_and_its_cluster(
    folder: Path, invoke: Callable[..., Invocation], tmp_path: Path
) -> None:
    first = holder(folder, "jobs")
    wait_held(first)
    started = tmp_path / "started"
    with reach(None, folder, dashboard=True, start=False) as lease:
        runner = JobRunner(lease.cluster, folder)
        runner.submit("job-kept", invoke("slow", {"started": str(started), "seconds": 3}), JobOptions())
        runner.submit("job-fetched", invoke("fail"), JobOptions())
        assert follow(runner, "job-fetched")[0].reason == "ActionFailed"
        runner.forget("job-fetched")
        eventually(started.exists)
        first.kill()
        first.communicate()
        head = Head.read(folder, dashboard=True)
        assert head is not None
        begun = time.monotonic()
    assert time.monotonic() - begun < 1  # it stays for the job, and says so
    assert alive(head.pid)

    eventually(lambda: not alive(head.pid))
    assert leftovers(head) == []
    assert not record_path(folder, dashboard=True).exists()
    assert [path.name for path in (folder / "jobs").iterdir()] == ["job-kept"]
    gone = JobRunner(None, folder)
    assert gone.known("job-kept")
    outcome, events = follow(gone, "job-kept")
    assert (outcome.reason, outcome.result) == ("Completed", "slept")
    assert "slow is running" in str(events)
    gone.forget("job-kept")
    assert follow(gone, "job-kept")[0].reason == "JobLost"


def test_sigterm_ends_it_at_once_and_tells_of_the_job(
    folder: Path, invoke: Callable[..., Invocation], tmp_path: Path
) -> None:
    lease = reach(None, folder, dashboard=True)
    head = Head.read(folder, dashboard=True)
    assert head is not None
    runner, started = JobRunner(lease.cluster, folder), tmp_path / "started"
    runner.submit("job-ended", invoke("slow", {"started": str(started), "child": True}), JobOptions())
    eventually(started.exists)
    os.kill(head.pid, signal.SIGTERM)
    outcome = follow(runner, "job-ended")[0]
    assert outcome.reason == "JobLost"
    lease.release()
    assert leftovers(head) == []
    assert json.loads((folder / "jobs/job-ended/info.json").read_text())["status"] == "RUNNING"


def _sockets(session: int) -> list[str]:
    """Local addresses that processes of the session listen on."""
    lines = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout.splitlines()
    found = []
    for line in lines:
        pids = [int(part.split(",")[0]) for part in line.split("pid=")[1:]]
        if any(os.getsid(pid) == session for pid in pids if alive(pid)):
            found.append(line.split()[3])
    return found
