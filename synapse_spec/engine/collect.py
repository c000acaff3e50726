"""Looks after jobs whose client has left: fetches what ended, ends what is to stop. Called by status and cancel."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from synapse_spec.engine.backends import has_ended, stop_job
from synapse_spec.engine.locks import LockHeld, run_lock
from synapse_spec.engine.results import stow
from synapse_spec.engine.run_log import RunLog
from synapse_spec.engine.secrets import Masker
from synapse_spec.engine.status import RUNNING, RunStatus
from synapse_spec.engine.store import StatusFile
from synapse_spec.engine.times import timestamp
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.plugins.outcome import Outcome
from synapse_spec.spec.workspace import Workspace

if TYPE_CHECKING:
    from synapse_spec.plugins.executors.ray.job import JobRunner


@dataclass(frozen=True, slots=True)
class Collector:
    """Brings jobs' statuses up to date.

    Attributes:
        workspace: Where the runs are.
        address: The Ray cluster that the jobs were submitted to; None for the usual one.
    """

    workspace: Workspace
    address: str | None = None

    def collect(self, name: str, file: StatusFile, hidden: dict[str, str], *, stop: bool = False) -> RunStatus:
        """The status of a run, brought up to date if its job has ended; with `stop` the job is ended first.

        A run that a living process is at, or whose cluster cannot be reached, is left as it is. `hidden` are the
        values of its secrets.
        """
        workspace = self.workspace
        try:
            with (
                run_lock(workspace, name, wait=False, stop=threading.Event()),
                _jobs(workspace, self.address) as jobs,
            ):
                status = file.read()[name]
                if status.phase != RUNNING or status.attempt is None or jobs is None:
                    return status
                handle = status.attempt.handle
                outcome = _outcome(status, workspace, jobs, hidden, stop=stop)
                if outcome is None:
                    return status
                if outcome.ok:
                    outcome = replace(outcome, result=stow(outcome.result, name, workspace))
                status = status.finished(outcome, timestamp())
                file.update(name, lambda _: status)
                jobs.forget(handle)
                return status
        except LockHeld:
            return file.read()[name]


def _outcome(
    status: RunStatus, workspace: Workspace, jobs: "JobRunner", hidden: dict[str, str], *, stop: bool
) -> Outcome | None:
    """The job's outcome; None if it goes on."""
    assert status.attempt is not None
    handle = status.attempt.handle
    masker = Masker(hidden)
    ended = has_ended(jobs, handle)
    if not ended and not stop:
        return None
    with RunLog(workspace.root / str(status.logs)) as log:
        emit = masker.emit(log.tee(lambda event: None))
        outcome = jobs.follow(handle, emit, threading.Event()) if ended else stop_job(jobs, handle, emit)
    return outcome and masker.outcome(outcome)


@contextmanager
def _jobs(workspace: Workspace, address: str | None) -> Iterator["JobRunner | None"]:
    """Jobs of the cluster, or what the embedded one left when it ended; None if a given cluster is not reached."""
    from synapse_spec.plugins.executors.ray.cluster import reach
    from synapse_spec.plugins.executors.ray.job import JobRunner

    try:
        lease = reach(address, workspace.ray, dashboard=True, start=False)
    except ClusterUnreachable:
        given = address is not None or "RAY_ADDRESS" in os.environ
        yield None if given else JobRunner(None, workspace.ray)
        return
    with lease:
        yield JobRunner(lease.cluster, workspace.ray)
