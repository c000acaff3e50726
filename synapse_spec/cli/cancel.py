"""`synapse cancel NAME`: stop a run that is at work."""

import time

import click

from synapse_spec.cli.exits import GAVE_UP, OK
from synapse_spec.cli.output import say
from synapse_spec.cli.session import Session, look_at
from synapse_spec.engine.locks import is_held
from synapse_spec.engine.status import RUNNING, RunStatus
from synapse_spec.spec.model import Run

_WAIT_SECONDS = 30.0
_POLL_SECONDS = 0.1


@click.command("cancel")
@click.argument("name")
@click.argument("paths", nargs=-1, type=click.Path(allow_dash=True), metavar="[PATH...]")
@click.option("--ray-address", metavar="ADDRESS", help="The Ray cluster that the job was submitted to.")
def command(name: str, paths: tuple[str, ...], ray_address: str | None) -> int:
    """Stop run NAME of the specs at PATH (this folder by default)."""
    session = look_at(paths or (".",))  # what is at work can be stopped, also when specs are broken by now
    run = session.named(name)
    if is_held(session.workspace, name):
        return _ask_owner(run, session)
    status = _status(run, session)
    if status.phase != RUNNING:
        say(f"{name} is not at work: {status.phase}")
        return OK
    if status.mode != "job":
        say(f"{name} is not at work any more; the next apply finds it interrupted and runs it again")
        return OK
    from synapse_spec.engine.collect import collect

    status = collect(run, session.files[run.file.path], session.workspace, ray_address, stop=True)
    say(f"{name}: {status.phase}")
    return OK if status.phase != RUNNING else GAVE_UP


def _ask_owner(run: Run, session: Session) -> int:
    """Leave a request for the process that is at the run, and wait until it has let go."""
    request = session.workspace.cancels / run.name
    request.parent.mkdir(parents=True, exist_ok=True)
    request.touch()
    deadline = time.monotonic() + _WAIT_SECONDS
    try:
        while is_held(session.workspace, run.name):
            if time.monotonic() > deadline:
                say(f"{run.name}: still at work after {_WAIT_SECONDS:g} s")
                return GAVE_UP
            time.sleep(_POLL_SECONDS)
    finally:
        request.unlink(missing_ok=True)
    say(f"{run.name}: {_status(run, session).phase}")
    return OK


def _status(run: Run, session: Session) -> RunStatus:
    return session.files[run.file.path].read().get(run.name) or RunStatus(run.name)
