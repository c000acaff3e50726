"""`synapse diff NAME`: what was applied last against the spec as it is now."""

from difflib import unified_diff
from typing import Any

import click

from synapse_spec.cli.exits import OK
from synapse_spec.cli.output import say, style
from synapse_spec.cli.session import open_session
from synapse_spec.engine.applied import applied_spec
from synapse_spec.engine.status import RunStatus
from synapse_spec.plugins import yaml


@click.command("diff")
@click.argument("name")
@click.argument("paths", nargs=-1, type=click.Path(allow_dash=True), metavar="[PATH...]")
def command(name: str, paths: tuple[str, ...]) -> int:
    """Show what run NAME applied last against its spec now, as a unified diff; then what else has changed."""
    session = open_session(paths or (".",))
    run = session.named(name)
    status = session.statuses.get(run.name) or RunStatus(run.name)
    now = applied_spec(run, session.catalog, session.workspace, session.statuses)
    for line in unified_diff(_lines(status.applied), _lines(now), "last applied", run.file.shown, lineterm=""):
        click.echo(style(line, {"-": "removed", "+": "added", "@": "place"}.get(line[0], "")))
    say(f"{run.name}: {session.plan().entries[run.name].decision.text}")
    return OK


def _lines(spec: dict[str, Any]) -> list[str]:
    return yaml.dump(spec).splitlines() if spec else []
