"""Stops a run that is at work, whoever is at it. Called by `cancel`, and by `apply --prune` for runs that are gone."""

import time

from synapse_spec.engine.locks import is_held
from synapse_spec.engine.status import RUNNING, RunStatus
from synapse_spec.engine.store import StatusFile
from synapse_spec.spec.workspace import Workspace

WAIT_SECONDS = 30.0
_POLL_SECONDS = 0.1


def stop(
    name: str, file: StatusFile, workspace: Workspace, *, address: str | None, hidden: dict[str, str]
) -> RunStatus:
    """End the run if it is at work; its status then, which is Running still if it did not end in time.

    Args:
        name: The run; its spec may be gone.
        file: Where its status is.
        workspace: Where it runs.
        address: The Ray cluster that a job was submitted to; None for the one of its attempt.
        hidden: Values of its secrets, which its log and result are not to show.

    Raises:
        ClusterUnreachable: Its job's cluster cannot be asked.
    """
    if is_held(workspace, name):
        _ask_owner(name, workspace)
    status = file.get(name) or RunStatus(name)
    if status.phase == RUNNING and status.mode == "job" and not is_held(workspace, name):
        from synapse_spec.engine.collect import Collector

        with Collector(workspace, address) as collector:
            return collector.collect(name, file, hidden, stop=True)
    return status


def _ask_owner(name: str, workspace: Workspace) -> None:
    """Leave a request for the process that is at the run, and wait until it has let go."""
    request = workspace.cancel(name)
    request.parent.mkdir(parents=True, exist_ok=True)
    request.touch()
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        while is_held(workspace, name) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
    finally:
        request.unlink(missing_ok=True)
