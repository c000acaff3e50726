"""One OS lock a run."""

import multiprocessing
import subprocess
import sys
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from synapse_spec.engine.locks import LockHeld, is_held, lock_path, run_lock
from synapse_spec.spec.workspace import Workspace
from tests.engine.project import until

HOLD = """
import sys, time
from pathlib import Path
from threading import Event
from synapse_spec.engine.locks import run_lock
from synapse_spec.spec.workspace import Workspace
with run_lock(Workspace(Path(sys.argv[1])), "a", wait=False, stop=Event()):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def take(workspace: Workspace, name: str = "a", **options: Any) -> Any:
    how: dict[str, Any] = {"wait": False, "stop": Event()} | options
    return run_lock(workspace, name, **how)


def test_a_lock_is_held_by_one(workspace: Workspace) -> None:
    with take(workspace):
        assert is_held(workspace, "a")
        with take(workspace, "b"), pytest.raises(LockHeld, match="another process is at run 'a'"), take(workspace):
            pass
    assert not is_held(workspace, "a")
    with take(workspace):
        assert is_held(workspace, "a")


def test_looking_leaves_no_trace(workspace: Workspace) -> None:
    assert not is_held(workspace, "a")
    assert list(workspace.root.iterdir()) == []


def test_a_lock_is_let_go_when_its_work_fails(workspace: Workspace) -> None:
    with pytest.raises(RuntimeError), take(workspace):
        raise RuntimeError
    assert not is_held(workspace, "a")


def test_waiting_ends_when_it_is_told_to_stop(workspace: Workspace) -> None:
    stop = Event()
    stop.set()
    with take(workspace), pytest.raises(LockHeld), take(workspace, wait=True, stop=stop):
        pass


def test_the_lock_of_a_process_that_is_killed_is_free(workspace: Workspace) -> None:
    command = [sys.executable, "-c", HOLD, str(workspace.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert is_held(workspace, "a")
        process.kill()
    assert not is_held(workspace, "a")


def look(root: Path, stop: Any) -> None:
    while not stop.is_set():
        is_held(Workspace(root), "a")


def test_those_who_look_do_not_get_in_the_way(workspace: Workspace) -> None:
    """To look is to hold it for an instant."""
    with take(workspace):
        pass
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    watcher = context.Process(target=look, args=(workspace.root, stop))
    watcher.start()
    try:
        for _ in range(200):
            with take(workspace):
                pass
    finally:
        stop.set()
        watcher.join()
    until(lambda: not is_held(workspace, "a"))
    assert lock_path(workspace, "a").is_file()
