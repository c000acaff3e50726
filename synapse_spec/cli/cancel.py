"""`synapse cancel NAME`: stop a run that is at work."""

import time

import click

from synapse_spec.cli.exits import GAVE_UP, INVALID, OK
from synapse_spec.cli.output import say
from synapse_spec.cli.session import Session, open_session
from synapse_spec.engine.locks import is_held
from synapse_spec.engine.status import RUNNING, RunStatus
from synapse_spec.spec.model import Run

_WAIT_SECONDS = 30.0
_POLL_SECONDS = 0.2


@click.command("cancel")
@click.argument("name")
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option("--ray-address", metavar="ADDRESS", help="The Ray cluster that the job was submitted to.")
def command(name: str, paths: tuple[str, ...], ray_address: str | None) -> int:
    """Stop run NAME of the specs at PATH (this folder by default)."""
    session = open_session(paths or (".",))
    run = next((item for item in session.runs if item.name == name), None)
    if run is None:
        raise click.UsageError(f"there is no run {name!r}; there are {', '.join(item.name for item in session.runs)}")
    status = session.statuses.get(name) or RunStatus(name)
    if is_held(session.workspace, name):
        return _ask_owner(run, session)
    if status.phase == RUNNING and status.mode == "job":
        from synapse_spec.engine.collect import collect

        status = collect(run, session.files[run.file.path], session.workspace, ray_address, stop=True)
        say(f"{name}: {status.phase}")
        return OK if status.phase != RUNNING else INVALID
    say(f"{name} is not at work: {status.phase}")
    return OK


def _ask_owner(run: Run, session: Session) -> int:
    """Leave a request for the process that is at the run, and wait until it has let go."""
    session.workspace.cancels.mkdir(parents=True, exist_ok=True)
    request = session.workspace.cancels / run.name
    request.touch()
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        status = session.files[run.file.path].read().get(run.name)
        if not request.exists() and status is not None and status.phase != RUNNING:
            say(f"{run.name}: {status.phase}")
            return OK
        if not is_held(session.workspace, run.name):
            break
        time.sleep(_POLL_SECONDS)
    request.unlink(missing_ok=True)
    status = session.files[run.file.path].read().get(run.name) or RunStatus(run.name)
    say(f"{run.name}: {status.phase}")
    return OK if status.phase != RUNNING else GAVE_UP
