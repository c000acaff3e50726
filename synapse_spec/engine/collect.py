"""Looks after jobs whose client has left: brings back what ended, stops what is to stop. Called by status and cancel."""

import threading

from synapse_spec.engine.attempt import RunLog
from synapse_spec.engine.backends import Cancel
from synapse_spec.engine.locks import LockHeld, run_lock
from synapse_spec.engine.results import stow
from synapse_spec.engine.secrets import Masker, SecretMissing, read_secrets
from synapse_spec.engine.status import RUNNING, RunStatus, timestamp
from synapse_spec.engine.store import StatusFile
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.plugins.outcome import ErrorInfo, Outcome
from synapse_spec.spec.model import Run
from synapse_spec.spec.workspace import Workspace


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
    from synapse_spec.plugins.executors.ray.cluster import reach
    from synapse_spec.plugins.executors.ray.job import JobRunner

    assert status.attempt is not None
    handle = status.attempt.handle
    lease = None
    try:
        lease = reach(address, workspace.ray, dashboard=True, start=False)
        jobs = JobRunner(lease.cluster, workspace.ray)
    except ClusterUnreachable:
        jobs = JobRunner(None, workspace.ray)
        if not jobs.known(handle) and address is None and "RAY_ADDRESS" not in __import__("os").environ:
            return Outcome("JobLost", error=ErrorInfo("JobLost", "the cluster that ran the job is gone"))
    try:
        if stop and lease is not None:
            jobs.cancel(handle)
        elif not jobs.ended(handle):
            return None
        with RunLog(workspace.root / str(status.logs)) as log:
            try:
                masker = Masker(read_secrets(run))
            except SecretMissing:
                masker = Masker({})
            outcome = jobs.follow(handle, masker.emit(log.tee(lambda event: None)), Cancel(), None)
        jobs.forget(handle)
        return outcome and masker.outcome(outcome)
    finally:
        if lease is not None:
            lease.release()
