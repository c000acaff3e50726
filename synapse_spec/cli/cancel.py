"""`synapse cancel NAME`: stop a run that is at work."""

import click

from synapse_spec.cli.exits import GAVE_UP, OK
from synapse_spec.cli.output import say
from synapse_spec.cli.session import Session, look_at
from synapse_spec.engine.locks import is_held
from synapse_spec.engine.secrets import read_secrets
from synapse_spec.engine.status import RUNNING, RunStatus
from synapse_spec.engine.stop import WAIT_SECONDS, stop
from synapse_spec.spec.model import Run


@click.command("cancel")
@click.argument("name")
@click.argument("paths", nargs=-1, type=click.Path(allow_dash=True), metavar="[PATH...]")
@click.option("--ray-address", metavar="ADDRESS", help="The Ray cluster that the job was submitted to.")
def command(name: str, paths: tuple[str, ...], ray_address: str | None) -> int:
    """Stop run NAME of the specs at PATH (this folder by default); all its children if it has a matrix."""
    session = look_at(paths or (".",))  # what is at work can be stopped, also when specs are broken by now
    codes = [_cancel(run, session, ray_address) for run in session.meant(name)]
    return max(codes)


def _cancel(run: Run, session: Session, address: str | None) -> int:
    file, name = session.files[run.file.path], run.name
    held = is_held(session.workspace, name)
    status = file.get(name) or RunStatus(name)
    if status.phase != RUNNING and not held:
        say(f"{name} is not at work: {status.phase}")
        return OK
    if status.mode != "job" and not held:
        say(f"{name} is not at work any more; the next apply finds it interrupted and runs it again")
        return OK
    hidden = read_secrets(run, lenient=True)
    status = stop(name, file, session.workspace, address=address, hidden=hidden)
    if status.phase == RUNNING:
        say(f"{name}: still at work after {WAIT_SECONDS:g} s")
        return GAVE_UP
    say(f"{name}: {status.phase}")
    return OK
