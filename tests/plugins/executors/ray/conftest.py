"""One embedded cluster for all of these tests, in a short temp folder, and a plugin whose actions end in every way."""

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from synapse_spec.plugins.events import Event
from synapse_spec.plugins.execution import Invocation
from synapse_spec.plugins.executors.ray.cluster import Cluster, Lease, reach
from synapse_spec.plugins.executors.ray.embedded import Head
from synapse_spec.plugins.executors.ray.job import JobRunner
from synapse_spec.plugins.executors.ray.task import TaskPool
from synapse_spec.plugins.outcome import Outcome
from synapse_spec.plugins.source import PluginSource

ACTIONS = """
import json, logging, os, subprocess, sys, time
from pydantic import BaseModel
from synapse_spec.plugins.decorators import action

class Params(BaseModel):
    value: int = 1

@action(params=Params)
def ok(params, ctx):
    print("printed without end", end="")
    ctx.set_progress(1, 2, "step")
    print(", printed")
    ctx.set_metrics({"loss": 0.5}, "train")
    subprocess.run(["sh", "-c", "echo from a child; echo to stderr >&2"])
    logging.getLogger("lib").warning("logged")
    return {"value": params.value, "cwd": os.getcwd(), "pid": os.getpid(), "env": os.environ.get("GIVEN"),
            "own": os.environ.get("SYNAPSE_TEST_CLIENT"), "id": ctx.job_id}

@action()
def fail(params, ctx):
    raise ValueError("wrong value")

@action()
def leave(params, ctx):
    sys.exit(0)

@action()
def die(params, ctx):
    print("last words", flush=True)
    os._exit(3)

@action()
def slow(params, ctx):
    open(params["started"], "w").write(str(os.getpid()))
    if params.get("child"):
        subprocess.Popen(["sleep", "77"])
        subprocess.Popen(["sleep", "79"], start_new_session=True)
    print("slow is running", flush=True)
    time.sleep(params.get("seconds", 60))
    return "slept"

@action()
def meet(params, ctx):
    open(params["own"], "w").close()
    while not os.path.exists(params["other"]):
        time.sleep(0.05)
    return os.getpid()

@action()
def deaf(params, ctx):
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("deaf", flush=True)
    while True:
        time.sleep(60)

@action()
def tidy(params, ctx):
    try:
        print("tidy is at work", flush=True)
        time.sleep(60)
    finally:
        open(params["tidied"], "w").close()

@action()
def lines(params, ctx):
    for number in range(100):
        print("line", number, flush=True)
    while not os.path.exists(params["go_on"]):
        time.sleep(0.05)
    for number in range(100, 200):
        print("line", number, flush=True)

@action()
def large(params, ctx):
    return [os.urandom(4).hex() for _ in range(params["words"])]

@action()
def forge(params, ctx):
    own = json.loads(os.environ["RAY_JOB_CONFIG_JSON_ENV_VAR"])["metadata"]["synapse_nonce"]
    for nonce in ("", "0" * 32, own):
        print(f'::synapse {nonce} outcome 20 abc {{"reason": "Completed"}}')
        print(f'::synapse {nonce} event {{"kind": "progress", "current": 1, "total": 1, "step": null}}')
    os._exit(0)

@action()
def hide(params, ctx):
    secret = os.environ["SECRET"]
    for part in (secret[:5], secret[5:], "\\n"):
        os.write(1, part.encode())
        time.sleep(0.2)
    subprocess.run(["sh", "-c", "printf 'child '; printf $SECRET; echo ' done'"])
    for number in range(1000):
        print(number, secret)
        ctx.set_metrics({secret: number}, "train")
    subprocess.run(["sh", "-c", "echo a script > /dev/stderr"])
    print("last", secret)
    os.kill(os.getpid(), 9)
"""


@pytest.fixture(autouse=True)
def _no_cluster_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture(scope="session", autouse=True)
def _ray_imported() -> None:
    """Importing Ray changes sys.path and the environment, which no test's own doing should seem to be."""
    import ray  # noqa: F401


@pytest.fixture(scope="session")
def cache_home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ray-tests-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def short_folder(cache_home: Path) -> Path:
    """The cluster's folder; the Python API finds it there if `cache_home` is the user's."""
    return cache_home / "synapse-spec/ray"


@pytest.fixture(scope="session")
def lease(short_folder: Path) -> Iterator[Lease]:
    """The cluster, with its dashboard; nothing of it is left when the session ends."""
    with pytest.MonkeyPatch.context() as patch:
        # On clusters elsewhere a job's Python is the one that is first in the path.
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        held = reach(None, short_folder, dashboard=True)
    head = Head.read(short_folder, dashboard=True)
    assert head is not None
    yield held
    held.release()
    assert leftovers(head) == []


@pytest.fixture
def cluster(lease: Lease) -> Cluster:
    return lease.cluster


@pytest.fixture
def jobs(cluster: Cluster, short_folder: Path) -> JobRunner:
    return JobRunner(cluster, short_folder)


@pytest.fixture(scope="module")
def pool(lease: Lease) -> Iterator[TaskPool]:
    tasks = TaskPool(lease.cluster, 2)
    yield tasks
    tasks.close()


@pytest.fixture(scope="session")
def plugin(short_folder: Path) -> Path:
    return write_plugin(short_folder / "plugin-folder", ACTIONS)


@pytest.fixture
def invoke(plugin: Path) -> Callable[..., Invocation]:
    """An invocation of one of ACTIONS."""

    def make(action: str, params: dict[str, Any] | None = None, **fields: Any) -> Invocation:
        fields = {"working_dir": str(plugin)} | fields
        return Invocation(PluginSource.from_path(plugin), action, f"plugin.act:{action}", params or {}, **fields)

    return make


def write_plugin(folder: Path, text: str) -> Path:
    (folder / "plugin").mkdir(parents=True)
    (folder / "plugin/act.py").write_text(text, encoding="utf-8")
    return folder


def follow(jobs: JobRunner, submission_id: str, pending_limit: float | None = None) -> tuple[Outcome, list[Event]]:
    events: list[Event] = []
    outcome = jobs.follow(submission_id, events.append, threading.Event(), pending_limit)
    assert outcome is not None
    return outcome, events


def eventually(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """What `condition` gives once it is true."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return value


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def leftovers(head: Head) -> list[str]:
    """Processes, files and records of a head that should have ended."""
    found = [path for path in (head.temp_dir, head.socket) if os.path.exists(path)]
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            inherited = head.token.encode() in (entry / "environ").read_bytes()
            if alive(int(entry.name)) and (inherited or os.getsid(int(entry.name)) == head.pid):
                found.append(command)
        except OSError:
            continue
    return found
