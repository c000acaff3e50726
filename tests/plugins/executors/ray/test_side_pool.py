"""SidePool: tasks on a cluster whose driver is another process."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from synapse_spec.plugins.events import Event, Progress
from synapse_spec.plugins.execution import Invocation
from synapse_spec.plugins.executors.ray.cluster import Cluster, ClusterUnreachable
from synapse_spec.plugins.executors.ray.side_pool import SidePool
from synapse_spec.plugins.executors.ray.task import TaskOptions
from tests.plugins.executors.ray.conftest import alive, eventually

pytestmark = pytest.mark.ray


def test_a_pool_in_a_process_of_its_own(cluster: Cluster, invoke: Callable[..., Invocation], tmp_path: Path) -> None:
    pool = SidePool(cluster, 2, environ=os.environ | {"SYNAPSE_TEST_CLIENT": "ours"})
    events: list[Event] = []
    outcome = pool.run(invoke("ok", {"value": 3}), TaskOptions(), events.append, threading.Event())
    assert (outcome.reason, outcome.result["value"], outcome.result["own"]) == ("Completed", 3, "ours")
    assert Progress(1, 2, "step") in events
    assert pool.run(invoke("fail"), TaskOptions(), events.append, threading.Event()).reason == "ActionFailed"

    started, cancelled = tmp_path / "started", threading.Event()
    with ThreadPoolExecutor() as threads:
        slow = invoke("slow", {"started": str(started)})
        ended = threads.submit(pool.run, slow, TaskOptions(), events.append, cancelled)
        eventually(started.exists)
        cancelled.set()
        assert ended.result(20).reason == "Cancelled"
        started.unlink()
        lost = threads.submit(pool.run, slow, TaskOptions(), events.append, threading.Event())
        eventually(started.exists)
        (driver,) = _children(os.getpid(), "side_pool")
        os.kill(driver, signal.SIGKILL)
        assert lost.result(20).reason == "WorkerDied"
    pool.close()
    eventually(lambda: not alive(int(started.read_text())))

    with pytest.raises(ClusterUnreachable, match="token is wrong"):
        SidePool(Cluster(cluster.address, None, "f" * 48, False))
    assert _children(os.getpid(), "side_pool") == []


def _children(parent: int, word: str) -> list[int]:
    """Processes whose command line has the word."""
    lines = subprocess.run(["ps", "-wweo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in lines.splitlines()[1:]]
    return [int(pid) for pid, ppid, command in rows if int(ppid) == parent and word in command]
