"""The warm Ray of this machine: `synapse cluster up|status|down`. Who needs a Ray finds it by itself (`cluster.reach`).

It is the embedded head of the user's cache folder, told to stay when nobody holds it.
"""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from synapse_spec.plugins.errors import PluginError
from synapse_spec.plugins.executors.ray import embedded
from synapse_spec.plugins.executors.ray.embedded import Head, Hold
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable


class InUse(PluginError):
    """It is not to end while something is at work on it."""


@dataclass(frozen=True, slots=True)
class State:
    """What a warm head has, and what is at work on it.

    Attributes:
        head: Its record.
        cpus, cpus_free, gpus: What it has, and what nothing has reserved.
        actors: How many are alive.
        jobs: Ids of those that have not ended.
        users: How many processes hold it.
    """

    head: Head
    cpus: float
    cpus_free: float
    gpus: float
    actors: int
    jobs: list[str]
    users: int


def up(folder: Path, cpus: int | None = None) -> tuple[State, bool]:
    """Start one, or make the one that is there stay.

    Args:
        folder: The user's cache folder.
        cpus: How many one that is started has; by default those of the machine.

    Returns:
        Its state, and whether it was up already.

    Raises:
        ClusterUnreachable: It could not be started.
    """
    was_up = embedded.is_warm(folder)
    hold = embedded.hold(folder, dashboard=True, start=True, cpus=cpus)
    try:
        return State(hold.head, **hold.ask("stay")), was_up
    finally:
        hold.release(wait=False)


def state(folder: Path) -> State | None:
    """That of the warm one; None if there is none.

    Raises:
        ClusterUnreachable: It does not answer.
    """
    hold = _held(folder)
    if hold is None:
        return None
    try:
        return State(hold.head, **hold.ask("state"))
    finally:
        hold.release(wait=False)


def down(folder: Path, *, force: bool = False) -> bool:
    """End it; whether there was one.

    Args:
        folder: The user's cache folder.
        force: Also if something is at work on it, which ends with it.

    Raises:
        InUse: Something is at work on it.
        ClusterUnreachable: It does not answer, or does not end.
    """
    hold = _held(folder)
    if hold is None:
        return False
    try:
        if force:
            os.kill(hold.head.pid, signal.SIGTERM)
        else:
            _refuse_if_at_work(State(hold.head, **hold.ask("state")))
            hold.ask("leave")
    finally:
        hold.release(wait=True)
    deadline = time.monotonic() + embedded.END_SECONDS
    while embedded.runs(hold.head):
        if time.monotonic() > deadline:
            raise ClusterUnreachable(f"the warm Ray (process {hold.head.pid}) has not ended; somebody may just use it")
        time.sleep(0.02)
    embedded.clean_after(hold.head)
    return True


def _refuse_if_at_work(now: State) -> None:
    told = [f"job {job}" for job in now.jobs]
    if now.users:
        told.append("a process that uses it" if now.users == 1 else f"{now.users} processes that use it")
    if told:
        raise InUse(f"the warm Ray is at work for {', '.join(told)}; --force ends it all the same")


def _held(folder: Path) -> Hold | None:
    """The warm one; None if there is none, with what one that was killed has left removed."""
    if embedded.is_warm(folder):
        return embedded.hold(folder, dashboard=True, start=False)
    dead = Head.read(folder, dashboard=True)
    if dead is not None and not embedded.runs(dead):
        embedded.clean_after(dead)
        embedded.record_path(folder, dashboard=True).unlink(missing_ok=True)
    return None
