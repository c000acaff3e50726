"""Looks after jobs whose client has left: brings back what ended, stops what is to stop. Called by status and cancel."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from synapse_spec.engine.attempt import RunLog
from synapse_spec.engine.backends import has_ended, stop_job
from synapse_spec.engine.locks import LockHeld, run_lock
from synapse_spec.engine.results import stow
from synapse_spec.engine.secrets import Masker, SecretMissing, read_secrets
from synapse_spec.engine.status import RUNNING, RunStatus, timestamp
from synapse_spec.engine.store import StatusFile
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.plugins.outcome import Outcome
from synapse_spec.spec.model import Run
from synapse_spec.spec.workspace import Workspace

if TYPE_CHECKING:
    from synapse_spec.plugins.executors.ray.job import JobRunner


def collect(run: Run, file: StatusFile, workspace: Workspace, address: str | None, *, stop: bool = False) -> RunStatus:
    """The status of a job-run, brought up to date if its job has ended; with `stop` the job is ended first.

    A run that a living process is at, or whose cluster cannot be reached, is left as it is.
    """
    try:
        with run_lock(workspace, run.name, wait=False, stop=threading.Event()):
            status = file.read()[run.name]
            if status.phase != RUNNING or status.attempt is None:
                return status
            outcome = _outcome(run, status, workspace, address, stop=stop)
            if outcome is None:
                return status
            if outcome.ok:
                outcome = Outcome("Completed", stow(outcome.result, run.name, workspace), None, outcome.metrics)
            status = status.finished(outcome, timestamp())
            file.update(run.name, lambda _: status)
            return status
    except LockHeld:
        return file.read()[run.name]


def _outcome(run: Run, status: RunStatus, workspace: Workspace, address: str | None, *, stop: bool) -> Outcome | None:
    """The job's outcome; None if it goes on, or if nobody can tell."""
    assert status.attempt is not None
    handle = status.attempt.handle
    with _jobs(workspace, address) as jobs:
        if jobs is None:
            return None
        if not has_ended(jobs, handle) and not stop:
            return None
        with RunLog(workspace.root / str(status.logs)) as log:
            masker = _masker(run)
            if not has_ended(jobs, handle):
                outcome: Outcome | None = stop_job(jobs, handle)
            else:
                outcome = jobs.follow(handle, masker.emit(log.tee(lambda event: None)), threading.Event())
        jobs.forget(handle)
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


def _masker(run: Run) -> Masker:
    try:
        return Masker(read_secrets(run))
    except SecretMissing:  # whoever looks need not have the secrets
        return Masker({})
