"""`synapse accept NAME`: take what has changed as done, without running it."""

import threading

import click

from synapse_spec.cli.exits import INVALID, OK
from synapse_spec.cli.output import say
from synapse_spec.cli.session import Session, open_session
from synapse_spec.engine.applied import applied_spec
from synapse_spec.engine.locks import run_lock
from synapse_spec.engine.plan import CHANGED, REQUESTED, SKIP
from synapse_spec.engine.status import RunStatus


@click.command("accept")
@click.argument("name")
@click.argument("paths", nargs=-1, type=click.Path(allow_dash=True), metavar="[PATH...]")
def command(name: str, paths: tuple[str, ...]) -> int:
    """Let the result of run NAME (of all its children) stand although spec, code or inputs have changed."""
    session = open_session(paths or (".",))
    codes = []
    for item in [run.name for run in session.meant(name)]:
        with run_lock(session.workspace, item, wait=False, stop=threading.Event()):
            codes.append(_accept(session, item))
    return max(codes)


def _accept(session: Session, name: str) -> int:
    file = session.files[session.named(name).file.path]
    session.statuses[name] = status = file.get(name) or RunStatus(name)
    entry = session.plan().entries[name]
    if entry.decision.step == SKIP:
        say(f"{name}: nothing to accept")
        return OK
    if entry.identity is None or entry.decision.reason not in CHANGED | {REQUESTED} or not status.has_result:
        say(f"error: {name} has no result that could stand: {entry.decision.text}")
        return INVALID
    identity, applied = entry.identity, applied_spec(entry.run, session.catalog, session.workspace, session.statuses)
    file.update(name, lambda stored: stored.accepted(identity, applied, entry.run.requested))
    session.catalog.save()
    say(f"{name}: accepted ({entry.decision.text}); the result of {status.computed_digest} stands")
    return OK
