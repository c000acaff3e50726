"""Looks after jobs whose client has left: fetches what ended, ends what is to stop. Called by status and cancel."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from synapse_spec.engine.backends import has_ended, stop_job
from synapse_spec.engine.locks import LockHeld, run_lock
from synapse_spec.engine.results import stow
from synapse_spec.engine.run_log import RunLog
from synapse_spec.engine.secrets import Masker, read_secrets
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
        with run_lock(workspace, run.name, wait=False, stop=threading.Event()), _jobs(workspace, address) as jobs:
            status = file.read()[run.name]
            if status.phase != RUNNING or status.attempt is None or jobs is None:
                return status
            handle = status.attempt.handle
            outcome = _outcome(run, status, workspace, jobs, stop=stop)
            if outcome is None:
                return status
            if outcome.ok:
                outcome = replace(outcome, result=stow(outcome.result, run.name, workspace))
            status = status.finished(outcome, timestamp())
            file.update(run.name, lambda _: status)
            jobs.forget(handle)
            return status
    except LockHeld:
        return file.read()[run.name]


def _outcome(run: Run, status: RunStatus, workspace: Workspace, jobs: "JobRunner", *, stop: bool) -> Outcome | None:
    """The job's outcome; None if it goes on."""
    assert status.attempt is not None
    handle = status.attempt.handle
    masker = Masker(read_secrets(run, lenient=True))  # whoever looks need not have the secrets
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
