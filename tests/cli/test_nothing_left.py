"""However `synapse apply` ended, nothing is left: no process, listening socket, file or actor; and Ray is silent.

Each test has folders of its own for the home and for temporary files, so that what is found there is ours.
"""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from synapse_spec.plugins.executors.ray.cluster import reach
from synapse_spec.plugins.executors.ray.embedded import Head
from tests.engine.project import Project, run, until
from tests.plugins.executors.ray.conftest import alive, leftovers

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]

ACTIONS = """
import os
import subprocess
import time
import warnings
from pathlib import Path

from synapse_spec.plugins.decorators import action


@action()
def good(params, ctx):
    for number in range(1, 4):
        ctx.set_progress(number, 3, "steps")
        ctx.set_metrics({"loss": 1 / number}, "train")
    print("well done")
    return {"x": 1}


@action()
def bad(params, ctx):
    raise ValueError("no luck")


@action()
def die(params, ctx):
    os._exit(3)


@action()
def hold(params, ctx):
    child = subprocess.Popen(["sleep", "600"])
    Path(params["began"]).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(params["seconds"])
    child.kill()
    child.wait()
"""

# What Ray, or Python on its behalf, would say.
CHATTER = re.compile(
    r"raylet|\(pid=|WARNING|\bINFO\b|\bERROR\b|[Dd]eprecat|FutureWarning|UserWarning|[Dd]ashboard|gcs|plasma|node_manager"
    r"|core_worker|autoscaler|runtime_env|job_manager|[Uu]sage stat|object store|Traceback|\.py:\d+"
)


class Place:
    """A workspace, and what is to be empty afterwards."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("work", "tmp", "home"):
            (root / name).mkdir()
        self.project = Project(root / "work")
        names = ("good", "bad", "die", "hold")
        self.project.plugin("acts", {"plugin/act.py": ACTIONS}, {name: f"plugin.act:{name}" for name in names})
        self.environ = os.environ | {
            "TMPDIR": str(root / "tmp"),
            "HOME": str(root / "home"),
            "TERM": "xterm",
            "COLUMNS": "200",
        }
        self.ray = self.project.root / ".synapse" / "ray"
        self._applies: list[subprocess.Popen[str]] = []

    def write(self, *runs: tuple[str, str, dict[str, Any]]) -> None:
        """Write the spec: name, action and params of each run, whose mode is in its name."""
        self.project.write(
            *(
                run(name, action, plugin={"path": "acts"}, mode=name[:4].strip("-"), params=params)
                for name, action, params in runs
            )
        )

    def kept(self) -> list[str]:
        """What is kept of the cluster in the workspace, beside the lock and the log of its head: nothing."""
        files = [path for path in self.ray.rglob("*") if path.is_file()]
        return [str(path.relative_to(self.ray)) for path in files if path.suffix not in (".lock", ".log")]

    def hold(self, name: str, seconds: float = 600) -> tuple[str, str, dict[str, Any]]:
        return name, "hold", {"began": str(self.root / name), "seconds": seconds}

    def pids(self, *names: str) -> list[int]:
        """Of the actions that `hold` and of their children, once they are at work."""
        until(lambda: all((self.root / name).exists() and (self.root / name).read_text() for name in names), 80)
        return [int(pid) for name in names for pid in (self.root / name).read_text().split()]

    def apply(self, **streams: Any) -> "subprocess.Popen[str]":
        process = self.project.start(
            "apply", "spec.yaml", env=self.environ, **({"stderr": subprocess.STDOUT} | streams)
        )
        self._applies.append(process)
        return process

    def end(self) -> None:
        """End what a test that failed has left."""
        for process in self._applies:
            process.kill()
            process.wait()
        head = Head.read(self.ray, dashboard=True)
        if head is not None and alive(head.pid):
            os.kill(head.pid, signal.SIGTERM)
            until(lambda: not alive(head.pid))
        shutil.rmtree(self.root)


class Watch:
    """What one embedded cluster has while it lives."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.sockets = _listening(head)

    def assert_gone(self, place: Place, seconds: float = 20) -> None:
        assert self.sockets
        until(lambda: not leftovers(self.head), seconds)
        until(lambda: self.sockets.isdisjoint(_all_listening()), 5)
        assert [str(path) for folder in ("tmp", "home") for path in (place.root / folder).rglob("*")] == []


def watch(place: Place) -> Watch:
    until(lambda: Head.read(place.ray, dashboard=True), 80)
    head = Head.read(place.ray, dashboard=True)
    assert head is not None
    return Watch(head)


def _listening(head: Head) -> set[str]:
    """Inodes of the sockets that the cluster's processes listen on."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(entry.name)) == head.pid:
                found |= {os.readlink(link) for link in (entry / "fd").iterdir()}
        except OSError:
            continue
    return found & _all_listening()


def _all_listening() -> set[str]:
    lines = [line for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    return {f"socket:[{line.split()[9]}]" for line in lines if line.split()[3] == "0A"}


@pytest.fixture
def place() -> Iterator[Place]:
    root = Path(tempfile.mkdtemp(prefix="l"))
    place = Place(root)
    yield place
    place.end()


def test_a_normal_apply_leaves_nothing_and_shows_our_lines_only(place: Place) -> None:
    """Success, failure, the death of a worker and a cancelled run, as tasks and as jobs, on a terminal."""
    held = ["task-hold", "job-hold"]
    ends = [(f"{mode}-{action}", action, {}) for mode in ("task", "job") for action in ("good", "bad", "die")]
    place.write(*ends, *(place.hold(name) for name in held))
    ours, theirs = pty.openpty()
    process = place.apply(stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown: list[bytes] = []
    reader = threading.Thread(target=_read, args=(ours, shown))
    reader.start()
    seen = watch(place)
    pids = place.pids(*held)
    for name in held:
        done = place.project.call("cancel", name, env=place.environ)
        assert (done.returncode, done.stdout + done.stderr) == (0, f"{name}: Cancelled\n")
    assert process.wait(60) == 1
    reader.join()

    seen.assert_gone(place, 0.1)  # at once: it was waited for
    assert not any(alive(pid) for pid in pids)
    phases = {name: status.phase for name, status in place.project.statuses().items()}
    assert phases == dict.fromkeys(held, "Cancelled") | {
        f"{mode}-{action}": phase
        for mode in ("task", "job")
        for action, phase in {"good": "Succeeded", "bad": "Failed", "die": "Failed"}.items()
    }
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", b"".join(shown).decode())
    assert "task-good | well done" in " ".join(text.split())
    assert [line for line in re.split(r"[\r\n]+", text) if CHATTER.search(line) and not _is_own(line)] == []
    assert place.kept() == []


def _is_own(line: str) -> bool:
    """The traceback of an action is told as the run's own line."""
    return bool(re.search(r"(task|job)-bad +\|", line))


def _read(descriptor: int, shown: list[bytes]) -> None:
    try:
        while data := os.read(descriptor, 65536):
            shown.append(data)
    except OSError:  # the other end is closed
        pass
    os.close(descriptor)


def test_ctrl_c_leaves_the_job_and_then_nothing(place: Place) -> None:
    place.write(place.hold("task-hold"), place.hold("job-hold", seconds=6))
    process = place.apply()
    seen = watch(place)
    *task, job, child = place.pids("task-hold", "job-hold")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=40)
    assert process.returncode == 130
    assert not [line for line in out.splitlines() if CHATTER.search(line)]
    until(lambda: not any(map(alive, task)), 5)
    assert alive(job)
    assert alive(seen.head.pid)
    until(lambda: not alive(seen.head.pid), 60)
    assert not alive(child)

    assert place.project.call("status", "spec.yaml", env=place.environ).returncode == 0
    assert place.project.status("job-hold").phase == "Succeeded"
    seen.assert_gone(place)
    assert place.kept() == []


def test_a_killed_apply_leaves_the_job_and_then_nothing(place: Place) -> None:
    place.write(place.hold("task-hold"), place.hold("job-hold", seconds=6))
    process = place.apply()
    seen = watch(place)
    place.pids("task-hold", "job-hold")
    process.kill()
    process.communicate()
    until(lambda: not alive(seen.head.pid), 60)
    done = place.project.call("apply", "spec.yaml", "--only", "job-hold", env=place.environ)
    assert done.returncode == 0, done.stderr
    status = place.project.status("job-hold")
    assert (status.phase, place.project.attempt("job-hold")) == ("Succeeded", 1)
    seen.assert_gone(place)
    assert place.kept() == []


def test_on_a_cluster_that_stays_no_actor_of_ours_does(place: Place) -> None:
    ends = [(f"{mode}-{action}", action, {}) for mode in ("task", "job") for action in ("good", "bad", "die")]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("TMPDIR", "HOME"):
            patch.setenv(name, place.environ[name])
        lease = reach(None, place.ray, dashboard=True)
    with lease:
        seen = watch(place)
        place.write(*ends)
        done = place.apply()
        out, _ = done.communicate(timeout=60)
        assert done.returncode == 1, out
        until(lambda: _living_actors(seen.head) == [], 10)

        place.write(place.hold("task-hold"))
        process = place.apply()
        action, child = place.pids("task-hold")
        process.kill()
        process.communicate()
        until(lambda: _living_actors(seen.head) == [], 10)
        until(lambda: not alive(action), 10)
        until(lambda: not alive(child), 10)
    seen.assert_gone(place)
    assert place.kept() == []


def _living_actors(head: Head) -> list[str]:
    request = Request(f"{head.dashboard}/api/v0/actors?limit=1000", headers={"Authorization": f"Bearer {head.token}"})
    with urlopen(request, timeout=10) as answer:
        actors = json.load(answer)["data"]["result"]["result"]
    return [f"{actor['class_name']} {actor['state']}" for actor in actors if actor["state"] != "DEAD"]
