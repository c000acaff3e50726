"""What `run_plugin` keeps from one task to the next."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synapse_spec.plugins.errors import ExecutionError, ValidationError
from synapse_spec.plugins.executors.ray import kept
from synapse_spec.plugins.executors.ray.cluster import Cluster, ClusterUnreachable, Lease, attach
from synapse_spec.plugins.runner import run_plugin
from tests.plugins.executors.ray.conftest import alive, eventually

pytestmark = pytest.mark.ray


@pytest.fixture(autouse=True)
def _shared_cluster(lease: Lease, cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    yield
    kept.shutdown()


def task(plugin: Path, action: str = "ok", params: dict[str, Any] | None = None, **options: Any) -> Any:
    return run_plugin(plugin, action, params or {}, mode="task", **options)


def test_the_actor_of_one_task_serves_the_next(plugin: Path) -> None:
    first = task(plugin, env={"GIVEN": "a"}, job_id="one")
    second = task(plugin, params={"value": 2}, env={"GIVEN": "b"})
    assert first["pid"] == second["pid"]
    assert [(item["env"], item["id"], item["value"]) for item in (first, second)] == [("a", "one", 1), ("b", None, 2)]


def test_a_failure_keeps_it_and_a_death_does_not(plugin: Path) -> None:
    before = task(plugin)["pid"]
    with pytest.raises(ExecutionError, match="wrong value"):
        task(plugin, "fail")
    with pytest.raises(ValidationError):
        task(plugin, params={"value": "x"})
    assert task(plugin)["pid"] == before
    with pytest.raises(ExecutionError, match="WorkerDied"):
        task(plugin, "die")
    assert task(plugin)["pid"] != before


def test_threads_have_an_actor_each(plugin: Path, tmp_path: Path) -> None:
    results: list[int] = []

    def both(own: Path, other: Path) -> None:
        results.append(task(plugin, "meet", {"own": str(own), "other": str(other)}))

    here, there = tmp_path / "here", tmp_path / "there"
    threads = [threading.Thread(target=both, args=pair) for pair in ((here, there), (there, here))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 2


def test_it_ends_when_it_is_idle(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "IDLE_SECONDS", 0.5)
    process = task(plugin)["pid"]
    eventually(lambda: not alive(process))
    assert task(plugin)["pid"] != process


def test_it_gives_way_to_another_cluster(plugin: Path) -> None:
    process = task(plugin)["pid"]
    with pytest.raises(ClusterUnreachable, match="no Ray"):
        attach(Cluster("127.0.0.1:1", None, None, False))
    assert not alive(process)


def test_needs_that_have_changed_are_seen(plugin: Path) -> None:
    before = task(plugin)
    config = plugin / "config.yaml"
    config.write_text("name: p\ncode: p\nruntime_env: {env_vars: {GIVEN: by the config}}\n")
    try:
        after = task(plugin)
    finally:
        config.unlink()
    assert (before["env"], after["env"]) == (None, "by the config")


def test_a_ray_that_was_shut_down_is_noticed(plugin: Path) -> None:
    """In a process of its own, which uses a Ray of its own."""
    program = f"""
import os, ray
from synapse_spec.plugins.runner import run_plugin
pids = []
for _ in range(2):
    ray.init(address="local", include_dashboard=False, log_to_driver=False, num_cpus=1)
    pids += [run_plugin({str(plugin)!r}, "ok", {{}}, mode="task")["pid"] for _ in range(2)]
    ray.shutdown()
assert pids[0] == pids[1] != pids[2] == pids[3], pids
"""
    env = os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
