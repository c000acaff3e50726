"""`synapse apply` on a cluster of three nodes on this machine: what runs where, nodes that die, a node that joins late.

Each node is a process with a session, a temp folder and a resource of its own. All of them listen on loopback only.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from synapse_spec.engine import results
from synapse_spec.plugins.executors.ray.jobs_api import JobsApi
from synapse_spec.spec.workspace import Workspace
from tests.engine.project import Project, run
from tests.plugins.executors.ray.conftest import alive, eventually

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]

NODE = """
import json, sys
from ray._private.node import Node
from ray._private.parameter import RayParams

options = json.loads(sys.argv[1])
node = Node(RayParams(**options), head="gcs_address" not in options, shutdown_at_exit=True, spawn_reaper=False)
print(json.dumps([node.gcs_address, f"http://{node.webui_url}"]), flush=True)
sys.stdin.read()
"""

ACTIONS = """
import json
import os
import time
from pathlib import Path

from plugin.names import NAME
from pydantic import BaseModel
from synapse_spec.plugins.action import BaseAction
from synapse_spec.plugins.decorators import action

BESIDE = Path(__file__).with_name("table.csv").read_text()


class Params(BaseModel):
    size: int = 0


class Work(BaseAction[Params]):
    def execute(self):
        numbers = json.loads(Path("data/numbers.json").read_text())
        Path("out").mkdir(exist_ok=True)
        Path("out/sum.txt").write_text(str(sum(numbers)))
        print(f"at work for {NAME}")
        self.ctx.set_metrics({"sum": sum(numbers)}, "work")
        written = {"sum": Path("out/sum.txt").read_text(), "table": BESIDE, "padding": "x" * self.params.size}
        return {"node": os.environ["SYNAPSE_TEST_NODE"], "file": __file__, "cwd": os.getcwd(), **written}


@action()
def hold(params, ctx):
    '''Works for long the first time, and not at all the next.'''
    began = Path(params["began"])
    if began.exists():
        return {"node": os.environ["SYNAPSE_TEST_NODE"], "again": True}
    began.write_text(os.environ["SYNAPSE_TEST_NODE"])
    time.sleep(90)
"""

FILES = {
    "plugin/__init__.py": "",
    "plugin/act.py": ACTIONS,
    "plugin/names.py": "NAME = 'many nodes'\n",
    "plugin/table.csv": "a,b\n1,2\n",
    "data/numbers.json": "[1, 2, 39]",
}


class Nodes:
    """The cluster; each node is there when it is asked for, and again after it was killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self.token = secrets.token_hex(24)
        self.address, self.dashboard = "", ""

    def up(self, *names: str) -> None:
        """Start those of the nodes that are not there: `b` has 4 of the resource `node_b`."""
        with ThreadPoolExecutor() as pool:
            started = pool.map(self._start, [name for name in names if name not in self._processes])
            for place in list(started):
                self.address, self.dashboard = self.address or place[0], self.dashboard or place[1]

    def kill(self, *names: str) -> None:
        """Everything on the nodes dies at once."""
        for name in names:
            for pid in self.pids(name):
                with suppress(ProcessLookupError):  # it went with another one
                    os.kill(pid, signal.SIGKILL)
            self._processes.pop(name).communicate()

    def stop(self) -> None:
        names = list(self._processes)
        self.kill(*names)
        eventually(lambda: not any(self.pids(name) for name in names))

    def pids(self, name: str) -> list[int]:
        """Processes of a node: they inherited its mark, or are of its session and have a title in place of that."""
        mark = f"SYNAPSE_TEST_NODE={self._mark(name)}\0".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                session = os.getsid(int(entry.name)) == self._processes[name].pid
                if session or mark in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except (OSError, KeyError):
                continue
        return [pid for pid in found if alive(pid)]

    def environ(self) -> dict[str, str]:
        """Of those who use the cluster."""
        return os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}

    def _mark(self, name: str) -> str:
        return f"{name}-{self.token[:8]}"

    def _start(self, name: str) -> tuple[str, str]:
        folder = self._folder / f"{name}{len(os.listdir(self._folder))}"
        folder.mkdir()
        options: dict[str, Any] = {
            "node_ip_address": "127.0.0.1",
            "temp_dir": str(folder),
            "num_cpus": 2,
            "resources": {f"node_{name}": 4},
            "object_store_memory": 80_000_000,
            "min_worker_port": 0,
            "max_worker_port": 0,
            "dashboard_agent_listen_port": 0,
        }
        if self.address:
            options["gcs_address"] = self.address
            self._share_logs(folder)
        else:
            self._first = folder
            options |= {"include_dashboard": True, "dashboard_host": "127.0.0.1", "ray_client_server_port": None}
        with (folder / "node.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", NODE, json.dumps(options)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                env=self.environ() | _surroundings(folder) | {"SYNAPSE_TEST_NODE": self._mark(name)},
            )
        self._processes[name] = process
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (folder / "node.log").read_text()
        address, dashboard = json.loads(line)
        return address, dashboard

    def _share_logs(self, folder: Path) -> None:
        """A node's agent looks for logs of jobs in the folder of the first node that has its IP address."""
        session = (self._first / "session_latest").resolve()
        (folder / session.name).mkdir()
        (folder / session.name / "logs").symlink_to(session / "logs")


def _surroundings(folder: Path) -> dict[str, str]:
    return {
        # A job's Python is the one that is first in the path.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TMPDIR": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        # With these Ray takes the loopback address for the machine's own, and finds a dead node within 2 s, not 14.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_health_check_initial_delay_ms": "500",
        "RAY_health_check_period_ms": "500",
        "RAY_health_check_timeout_ms": "10000",
        "RAY_health_check_failure_threshold": "3",
    }


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    folder = Path(tempfile.mkdtemp(prefix="nodes-"))
    cluster = Nodes(folder)
    try:
        cluster.up("a")
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)


@pytest.fixture
def lab(tmp_path: Path) -> Project:
    (tmp_path / "work").mkdir()
    project = Project(tmp_path / "work")
    project.plugin("many", FILES, {"work": "plugin.act:Work", "hold": "plugin.act:hold"})
    return project


def on(node: str, name: str, action: str = "work", **fields: Any) -> dict[str, Any]:
    """A run that asks for what only one node has."""
    return run(name, action, plugin={"path": "many"}, resources={"custom": {f"node_{node}": 1}}, **fields)


def apply(lab: Project, nodes: Nodes) -> "subprocess.Popen[str]":
    return lab.start("apply", "spec.yaml", "--ray-address", nodes.address, env=nodes.environ())


def test_code_and_results_reach_every_node(lab: Project, nodes: Nodes) -> None:
    nodes.up("a", "b", "c")
    places = [(mode, node) for mode in ("task", "job") for node in "abc"]
    sizes = {"a": 0, "b": 100, "c": 400_000}
    lab.write(*(on(node, f"{mode}-{node}", mode=mode, params={"size": sizes[node]}) for mode, node in places))

    process = apply(lab, nodes)
    _, shown = process.communicate(timeout=100)

    assert process.returncode == 0, shown
    for mode, node in places:
        status = lab.status(f"{mode}-{node}")
        assert status.metrics == {"work": {"sum": 42}}
        assert "at work for many nodes" in lab.log(f"{mode}-{node}")
        result = results.fetch(status.result, Workspace(lab.root))
        assert result["node"].startswith(f"{node}-")
        assert (result["sum"], result["table"], len(result["padding"])) == ("42", "a,b\n1,2\n", sizes[node])
        for path in (result["file"], result["cwd"]):
            assert f"/{node}" in path
            assert not Path(path).is_relative_to(lab.root)
    assert not (lab.root / "many/out").exists()


def test_a_node_dies_during_tasks_and_jobs(lab: Project, nodes: Nodes, tmp_path: Path) -> None:
    nodes.up("a", "b", "c")
    retry = {"limit": 1, "backoff": "100ms"}
    fields: dict[str, Any] = {"once": {}, "retried": {"retry": retry}}
    runs = {f"{mode}-{kind}": {"mode": mode, **fields[kind]} for mode in ("task", "job") for kind in fields}
    began = {name: tmp_path / name for name in runs}
    for name, more in runs.items():
        more["params"] = {"began": str(began[name])}
    lab.write(*(on("b", name, "hold", **more) for name, more in runs.items()))

    process = apply(lab, nodes)
    try:
        eventually(lambda: all(path.exists() for path in began.values()), 90)
        nodes.kill("b")
        nodes.up("b")
        _, shown = process.communicate(timeout=100)
    finally:
        process.kill()

    assert process.returncode == 1, shown
    for mode in ("task", "job"):
        once, retried = lab.status(f"{mode}-once"), lab.status(f"{mode}-retried")
        assert (once.phase, once.reason, lab.attempt(f"{mode}-once")) == ("Failed", "WorkerDied", 1)
        assert (retried.phase, lab.attempt(f"{mode}-retried")) == ("Succeeded", 2), retried
        assert retried.result["again"] is True
        assert retried.history[0]["reason"] == "WorkerDied"
    assert "Traceback" not in shown


def test_a_node_that_joins_late(lab: Project, nodes: Nodes) -> None:
    lab.write(*(on("late", mode, mode=mode) for mode in ("task", "job")))
    process = apply(lab, nodes)
    try:
        eventually(lambda: "job" in lab.statuses() and "task" in lab.statuses(), 60)
        eventually(lambda: JobsApi(nodes.dashboard, nodes.token).info(_handle(lab)))
        assert process.poll() is None
        nodes.up("late")
        _, shown = process.communicate(timeout=100)
    finally:
        process.kill()
    assert process.returncode == 0, shown
    for mode in ("task", "job"):
        assert lab.status(mode).result["node"].startswith("late-")
    nodes.kill("late")


def _handle(lab: Project) -> str:
    attempt = lab.status("job").attempt
    assert attempt is not None
    return attempt.handle
