"""Against synapse-sdk's own program and `run_plugin`: a trivial class action, in a new process and in loops.

The same plugin twice: once it imports `synapse_spec`, once `synapse_sdk`. The SDK runs the latter: ours must not take
longer for that, and no more than a third for the former. Both sides run in turn, so that a machine whose speed drifts
treats them alike.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.paired import Ratio
from synapse_spec.plugins.executors.ray.cluster import Cluster, reach
from synapse_spec.plugins.executors.ray.invocations import cache_folder

OWN_LIMIT = 1 / 3  # for a plugin that does not import the SDK
SDK_LIMIT = 1.0
MEMORY_LIMIT = 1 / 2
# A kept LocalExecutor of the SDK keeps nothing apart: neither modules, nor environment, nor working directory.
KEPT_LIMIT = 16.0
# Ray itself is most of it, on both sides.
RAY_LIMIT = 1.0
RUNS, CALLS, TASKS = 1000, 200, 5
_ROUNDS = 7
_RAY_ROUNDS = 3

_ACTION = """\
from pydantic import BaseModel

from {package}.plugins.action import BaseAction


class Params(BaseModel):
    number: int


class Double(BaseAction[Params]):
    def execute(self):
        return {{"doubled": 2 * self.params.number}}
"""
_CONFIG = (
    "name: Double\ncode: double\nversion: 1.0.0\nactions:\n  double: {name: double, entrypoint: plugin.act.Double}\n"
)

# Programs, with the plugin's folder as their argument and as their working directory. Loops print the milliseconds of a
# call.
_ONCE = """\
import sys
sys.path.insert(0, sys.argv[1])
from {package}.plugins.runner import run_plugin
assert run_plugin(sys.argv[1], "double", {{"number": 4}}) == {{"doubled": 8}}
"""
_LOOP = """\
import os, sys, time
sys.path.insert(0, sys.argv[1])
from {package}.plugins.runner import run_plugin
from {package}.plugins.discovery import PluginDiscovery
from {package}.plugins.executors.{executor}
call = {call}
call(1)
start = time.perf_counter()
for number in range({count}):
    assert call(number) == {{"doubled": 2 * number}}
print((time.perf_counter() - start) / {count} * 1000, file=sys.stderr, flush=True)
os._exit(0)  # Ray takes its time to leave
"""
_ACTION_OF = 'PluginDiscovery.from_path(sys.argv[1]).get_action_class("double")'
_JOB = """\
import sys, time
from {package}.plugins.executors.ray.{module} import {executor} as Executor
executor = Executor({options})
start = time.perf_counter()
job = executor.submit("plugin.act.Double", {{"number": 4}})
assert executor.get_result(job) == {{"doubled": 8}}
print(time.perf_counter() - start, file=sys.stderr)
"""


@dataclass(frozen=True, slots=True)
class Used:
    """What a process used: seconds, seconds of CPU, MiB at most, and the number that it printed last on stderr."""

    wall: float
    cpu: float
    mib: float
    printed: float


@dataclass(frozen=True, slots=True)
class Side:
    """One of two programs that do the same."""

    folder: Path
    command: list[str]
    environ: dict[str, str]

    def run(self) -> Used:
        start = time.perf_counter()
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                self.command, cwd=self.folder, env=self.environ, stdout=subprocess.DEVNULL, stderr=errors
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            errors.seek(0)
            said = errors.read().decode(errors="replace")
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, self.command, stderr=said)
        return Used(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, _last_number(said))


def _last_number(said: str) -> float:
    for line in reversed(said.splitlines()):
        try:
            return float(line)
        except ValueError:
            continue
    return 0.0


def measure(*, ray: bool = True) -> Iterator[Ratio]:
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        plugins = {package: _plugin(Path(name, package), package) for package in ("synapse_spec", "synapse_sdk")}
        yield from _processes(plugins)
        yield from _loops(plugins)
        if ray:
            yield from _on_ray(plugins, Path(name))


def _on_ray(plugins: dict[str, Path], cache: Path) -> Iterator[Ratio]:
    """On one warm cluster: ours finds it, as it would the user's own, and the SDK is told where it is."""
    before = dict(os.environ)
    os.environ["XDG_CACHE_HOME"] = str(cache)
    # The SDK's jobs run the Python that is first in the path.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{before['PATH']}"
    try:
        with reach(None, cache_folder(), dashboard=True) as lease:
            yield from _tasks(plugins, lease.cluster)
            yield from _jobs(plugins, lease.cluster)
    finally:
        os.environ.clear()
        os.environ.update(before)


def _plugin(folder: Path, package: str) -> Path:
    (folder / "plugin").mkdir(parents=True)
    (folder / "plugin" / "__init__.py").touch()
    (folder / "plugin" / "act.py").write_text(_ACTION.format(package=package))
    (folder / "config.yaml").write_text(_CONFIG)
    return folder


def _processes(plugins: dict[str, Path]) -> Iterator[Ratio]:
    params = json.dumps({"number": 4})
    program = "import sys; sys.argv[0] = 'synapse'; from synapse_sdk.cli import cli; sys.exit(cli())"
    theirs = plugins["synapse_sdk"]
    peers = {
        "its program": _side(theirs, "-c", program, "plugin", "run", "double", "--mode", "local", "--params", params),
        "its run_plugin": _side(theirs, "-c", _ONCE.format(package="synapse_sdk"), str(theirs)),
    }
    for package, limit in _limits():
        folder = plugins[package]
        run = _side(folder, "-m", "synapse_spec", "run", str(folder), "double", "-p", "number=4")
        api = _side(folder, "-c", _ONCE.format(package="synapse_spec"), str(folder))
        for (peer, side), ours in zip(peers.items(), (run, api), strict=True):
            what = f"{'synapse run' if ours is run else 'run_plugin'} of a plugin of {package} / {peer}"
            columns = {"s": ("wall", limit), "s of CPU": ("cpu", limit), "MiB": ("mib", max(limit, MEMORY_LIMIT))}
            yield from _compared(what, ours, side, columns)


def _loops(plugins: dict[str, Path]) -> Iterator[Ratio]:
    kept = "(lambda run, action: lambda number: run(action, {'number': number}))(LocalExecutor().execute, ACTION)"
    by_path = "lambda number: run_plugin(sys.argv[1], 'double', {'number': number})"
    executor = "local import LocalExecutor"
    for package, limit in _limits():
        for what, call, most in (
            (f"a call of run_plugin, of {RUNS:,}", by_path, limit),
            (f"a run of a kept LocalExecutor, of {RUNS:,}", kept, KEPT_LIMIT),
        ):
            ours = _loop(plugins[package], "synapse_spec", executor, call, RUNS)
            peer = _loop(plugins["synapse_sdk"], "synapse_sdk", executor, call, RUNS)
            yield from _compared(f"{what}, plugin of {package}", ours, peer, {"ms": ("printed", most)})


def _tasks(plugins: dict[str, Path], cluster: Cluster) -> Iterator[Ratio]:
    """Calls of a kept executor and of `run_plugin`, on one warm cluster; the SDK's has an actor made for each call."""
    executor = "ray.task import RayActorExecutor"
    call = "(lambda run, action: lambda n: run(action, {'number': n}))(RayActorExecutor(OPTIONS).execute, ACTION)"
    given = f"ray_address={cluster.address!r}, working_dir=sys.argv[1]"
    peer = _loop(plugins["synapse_sdk"], "synapse_sdk", executor, call.replace("OPTIONS", given), CALLS, cluster)
    for package, _ in _limits():
        ours = _loop(plugins[package], "synapse_spec", executor, call.replace("OPTIONS", ""), CALLS)
        what = f"a task of a kept executor, of {CALLS}, plugin of {package}"
        yield from _compared(what, ours, peer, {"ms": ("printed", RAY_LIMIT)}, _RAY_ROUNDS)
    call = "lambda n: run_plugin(sys.argv[1], 'double', {'number': n}, mode='task'OPTIONS)"
    given = f", {given}"
    peer = _loop(plugins["synapse_sdk"], "synapse_sdk", executor, call.replace("OPTIONS", given), TASKS, cluster)
    for package, limit in _limits():
        ours = _loop(plugins[package], "synapse_spec", executor, call.replace("OPTIONS", ""), CALLS)
        what = f"a task by run_plugin, of {CALLS} (the SDK's: of {TASKS}), plugin of {package}"
        yield from _compared(what, ours, peer, {"ms": ("printed", limit)}, _RAY_ROUNDS)


def _jobs(plugins: dict[str, Path], cluster: Cluster) -> Iterator[Ratio]:
    """From submit to result, on one warm cluster."""
    theirs = {
        "package": "synapse_sdk",
        "module": "jobs_api",
        "executor": "RayJobsApiExecutor",
        "options": f"env={{}}, dashboard_address={cluster.dashboard!r}, working_dir='.'",
    }
    ours = {
        "package": "synapse_spec",
        "module": "job",
        "executor": "RayJobExecutor",
        "options": "working_dir='.'",
    }
    peer = _side(plugins["synapse_sdk"], "-c", _JOB.format(**theirs), cluster=cluster)
    for package, _ in _limits():
        side = _side(plugins[package], "-c", _JOB.format(**ours))
        what = f"a job from submit to result, plugin of {package}"
        yield from _compared(what, side, peer, {"s": ("printed", RAY_LIMIT)}, _RAY_ROUNDS)


def _limits() -> Iterator[tuple[str, float]]:
    yield "synapse_spec", OWN_LIMIT
    yield "synapse_sdk", SDK_LIMIT


def _side(folder: Path, *words: str, cluster: Cluster | None = None) -> Side:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if cluster is not None and cluster.token is not None:
        environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": cluster.token}
        environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # the cluster listens on loopback only
    return Side(folder, [sys.executable, "-W", "ignore", *words], environ)


def _loop(  # noqa: PLR0913 - what differs between the loops
    folder: Path, package: str, executor: str, call: str, count: int, cluster: Cluster | None = None
) -> Side:
    program = _LOOP.format(package=package, executor=executor, call=call.replace("ACTION", _ACTION_OF), count=count)
    return _side(folder, "-c", program, str(folder), cluster=cluster)


def _compared(
    what: str, ours: Side, peer: Side, columns: dict[str, tuple[str, float]], rounds: int = _ROUNDS
) -> Iterator[Ratio]:
    """A ratio for each column: unit -> (attribute of Used, limit)."""
    ours.run(), peer.run()
    pairs = [(ours.run(), peer.run()) for _ in range(rounds)]
    for unit, (column, limit) in columns.items():
        first = [getattr(one, column) for one, _ in pairs]
        second = [getattr(other, column) for _, other in pairs]
        ratio = statistics.median(a / b for a, b in zip(first, second, strict=True))
        yield Ratio(what, statistics.median(first), statistics.median(second), ratio, limit, unit)


if __name__ == "__main__":
    for result in measure(ray="--no-ray" not in sys.argv):
        print(result.line(), flush=True)
