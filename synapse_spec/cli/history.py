"""`synapse history NAME`: how the attempts of a run ended."""

import click

from synapse_spec.cli.exits import OK
from synapse_spec.cli.output import duration, emit, format_option, say, table
from synapse_spec.cli.session import look_at
from synapse_spec.engine.status import RUNNING, RunStatus


@click.command("history")
@click.argument("name")
@click.argument("paths", nargs=-1, type=click.Path(allow_dash=True), metavar="[PATH...]")
@format_option()
def command(name: str, paths: tuple[str, ...], form: str) -> int:
    """Show the last outcomes of run NAME of the specs at PATH (this folder by default), newest first."""
    session = look_at(paths or (".",))
    name = session.named(name).name
    status = session.statuses.get(name) or RunStatus(name)
    outcomes = list(status.outcomes)
    if status.phase == RUNNING:
        outcomes[0] = outcomes[0] | {"phase": RUNNING, "reason": status.reason}
    if form != "text":
        emit({"name": name, "history": outcomes}, form)
    elif not outcomes:
        say(f"{name} has not run yet")
    else:
        rows = [
            (
                item["digest"].removeprefix("sha256:")[:12],
                str(item["attempt"]),
                item["phase"],
                item["reason"],
                item.get("finishedAt", "-"),
                duration(item.get("durationSeconds")),
            )
            for item in outcomes
        ]
        click.echo(table(("DIGEST", "ATTEMPT", "PHASE", "REASON", "FINISHED", "TIME"), rows, styled=2))
    return OK
