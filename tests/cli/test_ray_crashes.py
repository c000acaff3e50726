"""Clients that are killed (-9) at any moment of a job, and applied again: it is submitted once, and told right.

CRASHES=50 tries as many moments as that.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synapse_spec.plugins import yaml
from synapse_spec.plugins.executors.ray.cluster import reach

pytestmark = pytest.mark.ray

CRASHES = int(os.environ.get("CRASHES", "4"))
ACTIONS = """\
import time
from synapse_spec.plugins.decorators import action

@action()
def count(params, ctx):
    with open(params["file"], "a") as file:
        file.write("counted\\n")
    for number in range(5):
        print("at", number, flush=True)
        time.sleep(params["pause"])
    return {"counted": params["file"]}
"""


class Project:
    """A workspace whose cluster outlives the clients that are killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "one/plugin").mkdir(parents=True)
        (folder / "synapse.toml").touch()
        (folder / "one/config.yaml").write_text("name: one\ncode: one\nactions: {count: plugin.act:count}\n")
        (folder / "one/plugin/act.py").write_text(ACTIONS)

    def spec(self, name: str, **fields: Any) -> Path:
        params = {"file": str(self.folder / f"{name}.txt"), "pause": 0.1}
        spec = {"plugin": {"path": "one"}, "action": "count", "mode": "job", "params": params} | fields
        head = {"apiVersion": "synapse.dev/v1", "kind": "Run", "metadata": {"name": name}}
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.dump({**head, "spec": spec}))
        return path

    def start(self, path: Path) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "synapse_spec", "apply", str(path)]
        return subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def status(self, name: str) -> dict[str, Any]:
        path = self.folder / f"{name}.status.yaml"
        status: dict[str, Any] = yaml.parse(path.read_bytes())[0]["status"] if path.exists() else {}
        return status

    def assert_done_once(self, name: str) -> None:
        status = self.status(name)
        counted = self.folder / f"{name}.txt"
        assert counted.read_text() == "counted\n", "it was submitted more than once"
        assert (status["phase"], status["reason"]) == ("Succeeded", "Completed")
        assert status["result"] == {"counted": str(counted)}
        assert status["attempt"]["number"] == 1
        assert "history" not in status
        log = (self.folder / ".synapse/logs" / name / "1.log").read_text()
        assert log == "".join(f"at {number}\n" for number in range(5))


@pytest.fixture(scope="module")
def project() -> Iterator[Project]:
    folder = Path(tempfile.mkdtemp(prefix="crash-"))
    made = Project(folder)
    with reach(None, folder / ".synapse/ray", dashboard=True):
        yield made
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def whole(project: Project) -> float:
    """How many seconds an apply takes that nobody kills."""
    for name in ("first", "second"):  # Ray's first job takes longer
        start = time.monotonic()
        assert project.start(project.spec(name)).wait(60) == 0
        project.assert_done_once(name)
    return time.monotonic() - start


@pytest.mark.parametrize("number", range(CRASHES))
def test_a_client_that_is_killed(project: Project, whole: float, number: int) -> None:
    """Each third time there are two clients at once."""
    name, clients = f"run-{number}", 2 if number % 3 == 2 else 1
    path = project.spec(name)
    moment = random.Random(number).uniform(0.2, whole)
    applies = [project.start(path) for _ in range(clients)]
    time.sleep(moment)
    for apply in applies:
        apply.send_signal(signal.SIGKILL)
        apply.wait()
    before = project.status(name)
    print(f"{clients} killed after {moment:.2f} of {whole:.2f} s: {before.get('reason', 'no status yet')}")

    again = [project.start(path) for _ in range(clients)]
    assert [apply.wait(60) for apply in again] == [0] * clients
    project.assert_done_once(name)
