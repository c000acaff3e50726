"""Tasks against raw Ray: 500 calls of a warm actor, by the Python API and as the engine runs them, and one cold call.

The raw actor does the same sum, with no params to validate and nothing to capture. Blocks of calls alternate, all on
one embedded cluster of the process that measures.
"""

import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.noop_apply import make_workspace
from benchmarks.paired import Pair, Ratio, compare
from synapse_spec.plugins.discovery import PluginDiscovery
from synapse_spec.plugins.execution import Invocation
from synapse_spec.plugins.executors.ray.cluster import reach
from synapse_spec.plugins.executors.ray.invocations import cache_folder
from synapse_spec.plugins.executors.ray.task import RayActorExecutor, TaskOptions, TaskPool

CALLS = 500
WARM_LIMIT = 1.3
COLD_LIMIT = 1.2
_ROUNDS = 9
_COLD_ROUNDS = 5

_OURS = """\
from synapse_spec.plugins.runner import run_plugin
assert run_plugin("plugin", "double", {"number": 4}, mode="task") == {"doubled": 8}
"""

_RAW = """\
import logging, os
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray

class Double:
    def double(self, params):
        return {"doubled": 2 * params["number"]}

ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
actor = ray.remote(Double).remote()
assert ray.get(actor.double.remote({"number": 4})) == {"doubled": 8}
ray.shutdown()
"""

Call = Callable[[int], Any]


def measure() -> Iterator[Ratio]:
    with _workspace() as folder:
        yield from _warm(folder / "plugin")
        pair = Pair([sys.executable, "-c", _OURS], [sys.executable, "-c", _RAW], folder)
        yield compare("a cold embedded task / raw ray.init, actor and call", pair, COLD_LIMIT, _COLD_ROUNDS)


@contextmanager
def _workspace() -> Iterator[Path]:
    """A plugin, and a cache folder of our own, so that no cluster of the user's serves."""
    before = os.environ.get("XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory() as name:
        make_workspace(Path(name), 0)
        os.environ["XDG_CACHE_HOME"] = str(Path(name, "cache"))
        try:
            yield Path(name)
        finally:
            os.environ.pop("XDG_CACHE_HOME")
            if before is not None:
                os.environ["XDG_CACHE_HOME"] = before


def _warm(plugin: Path) -> Iterator[Ratio]:
    with reach(None, cache_folder(), dashboard=False) as lease, RayActorExecutor(working_dir=plugin) as executor:
        pool = TaskPool(lease.cluster, 1)
        try:
            calls = {"RayActorExecutor": _by_executor(executor, plugin), "TaskPool": _by_pool(pool, plugin)}
            times = _alternating({**calls, "raw": _raw()})
        finally:
            pool.close()
    for name in calls:
        ratios = [ours / raw for ours, raw in zip(times[name], times["raw"], strict=True)]
        ours, raw = statistics.median(times[name]), statistics.median(times["raw"])
        label = f"{CALLS} warm calls of a {name} / of a raw Ray actor"
        yield Ratio(label, ours, raw, statistics.median(ratios), WARM_LIMIT)


def _alternating(calls: dict[str, Call]) -> dict[str, list[float]]:
    """Seconds of each block, after one that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for round_number in range(_ROUNDS + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            for number in range(CALLS):
                assert call(number) == {"doubled": 2 * number}
            if round_number:
                times[name].append(time.perf_counter() - start)
    return times


def _by_executor(executor: RayActorExecutor, plugin: Path) -> Call:
    action = PluginDiscovery.from_path(plugin).get_action_class("double")
    return lambda number: executor.execute(action, {"number": number})


def _by_pool(pool: TaskPool, plugin: Path) -> Call:
    source = PluginDiscovery.from_path(plugin).source
    folder, never = str(source.folder), threading.Event()

    def call(number: int) -> Any:
        invocation = Invocation(source, "double", "plugin.double:Double", {"number": number}, working_dir=folder)
        return pool.run(invocation, TaskOptions(), lambda event: None, never).result

    return call


def _raw() -> Call:
    import ray

    class Double:
        def double(self, params: dict[str, Any]) -> dict[str, Any]:
            return {"doubled": 2 * params["number"]}

    remote: Any = ray.remote
    actor = remote(Double).remote()
    return lambda number: ray.get(actor.double.remote({"number": number}))
