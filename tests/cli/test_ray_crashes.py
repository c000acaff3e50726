"""Clients that are killed (-9) at any place and moment of a job, and applied again: it is submitted once, told right.

The places are those of `crashing`, all of them. CRASHES=50 tries as many moments as that.
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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from synapse_spec.plugins import yaml
from synapse_spec.plugins.executors.ray.cluster import reach

pytestmark = pytest.mark.ray

CRASHES = int(os.environ.get("CRASHES", "3"))
HERE = Path(__file__).parents[2]
AT_ONCE = 3
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

    def start(self, path: Path, crash_at: str | None = None) -> "subprocess.Popen[bytes]":
        """An apply; one that is to crash lists the places that it came by."""
        program = (
            ["synapse_spec"] if crash_at is None else ["tests.cli.crashing", crash_at, str(self.places(path.stem))]
        )
        command = [sys.executable, "-m", *program, "apply", str(path)]
        env = os.environ | {"PYTHONPATH": str(HERE)}
        return subprocess.Popen(command, cwd=self.folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def places(self, name: str) -> Path:
        return self.folder / f"{name}.places"

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


@pytest.mark.timeout(300)
def test_a_client_that_dies_at_each_place(project: Project, whole: float) -> None:
    assert project.start(project.spec("none"), crash_at="nowhere").wait(60) == 0
    places = project.places("none").read_text().splitlines()
    assert sum("store.py:replace_file" in place and "rename" in place for place in places) == 3  # intent, submit, end
    assert any(place.startswith("POST /api/jobs/") for place in places)

    def crash(number: int) -> str | None:
        """What went wrong."""
        name = f"place-{number}"
        path = project.spec(name, params={"file": str(project.folder / f"{name}.txt"), "pause": 0})
        died = project.start(path, crash_at=places[number]).wait(60)
        if died != -signal.SIGKILL:
            return f"{places[number]}: the client ended with {died}"
        again = project.start(path).wait(60)
        try:
            assert again == 0
            project.assert_done_once(name)
        except AssertionError as error:
            return f"{places[number]}: {error}"
        return None

    with ThreadPoolExecutor(AT_ONCE) as threads:
        assert [problem for problem in threads.map(crash, range(len(places))) if problem] == []
