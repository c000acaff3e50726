"""`synapse logs NAME`: what a run wrote, in its last attempt or an earlier one."""

import sys
import time
from pathlib import Path

import click

from synapse_spec.cli.exits import INVALID, OK
from synapse_spec.cli.output import say
from synapse_spec.engine.locks import is_held
from synapse_spec.spec.child_names import is_same, of_file
from synapse_spec.spec.workspace import Workspace

_POLL_SECONDS = 0.3


@click.command("logs")
@click.argument("name")
@click.option("-f", "--follow", is_flag=True, help="Go on while the run is at work.")
@click.option("--attempt", type=int, help="Which attempt; the last by default.")
@click.option(
    "--in", "folder", default=".", type=click.Path(exists=True), help="A place in the workspace; here by default."
)
def command(name: str, follow: bool, attempt: int | None, folder: str) -> int:
    """Show what run NAME wrote."""
    workspace = Workspace.of(Path(folder))
    known = sorted(of_file(item.name) for item in workspace.logs.glob("*"))
    children = [item for item in known if item.startswith(f"{name}[")]
    for child in children:
        say(f"== {child}")
        _show(workspace, child, follow=follow, attempt=attempt)
    meant = next((item for item in known if is_same(name, item)), name)
    alone = follow and not children and not is_held(workspace, meant)
    if children or _show(workspace, meant, follow=follow, attempt=attempt):
        if alone:
            say(f"no process is at run {meant!r}; a job that goes on by itself is followed by: synapse apply")
        return OK
    say(f"error: no log of run {name!r} in {workspace.root}{_hint(name, known)}")
    return INVALID


def _hint(name: str, known: list[str]) -> str:
    from synapse_spec.spec.graph import instead

    return f"; {instead(name, known, 'there are')}" if known else ""


def _show(workspace: Workspace, name: str, *, follow: bool, attempt: int | None) -> bool:
    """Print the log of one run; whether there is one."""
    path = _log(workspace, name, attempt)
    found = path is not None
    while path is not None:
        path = _print(path, workspace, name, follow=follow and attempt is None)
    return found


def _print(path: Path, workspace: Workspace, name: str, *, follow: bool) -> Path | None:
    """Print a log as far as it goes; the log of the attempt that came next meanwhile, if one did."""
    with path.open(encoding="utf-8", errors="replace") as file:
        while True:
            busy = follow and is_held(workspace, name)
            newest = _log(workspace, name, None) if busy else path
            while text := file.read(1 << 16):
                sys.stdout.write(text)
            sys.stdout.flush()
            if newest != path:
                return newest
            if not busy:
                return None
            time.sleep(_POLL_SECONDS)


def _log(workspace: Workspace, name: str, attempt: int | None) -> Path | None:
    """The log asked for; the last attempt's is the newest, since numbers start anew with each digest."""
    found = sorted(workspace.log(name, 0).parent.glob("*.log"), key=lambda item: item.stat().st_mtime_ns)
    if attempt is not None:
        found = [item for item in found if item.stem == str(attempt)]
    return found[-1] if found else None
