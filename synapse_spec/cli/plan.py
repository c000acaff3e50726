"""`synapse plan`: what would run, and why."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from synapse_spec.cli.exits import OK, WOULD_RUN
from synapse_spec.cli.output import emit, format_option, put, say, table
from synapse_spec.cli.session import Selection, Session, open_session, selection

if TYPE_CHECKING:
    from synapse_spec.engine.plan import Plan


@click.command("plan")
@click.argument("paths", nargs=-1, required=True, type=click.Path(allow_dash=True), metavar="PATH...")
@selection
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if something would run.")
@click.option("--out", type=click.Path(dir_okay=False, writable=True), help="Write the plan here, for apply --plan.")
@click.option(
    "--graph", type=click.Choice(["mermaid", "dot", "svg"]), help="Print a picture of what needs what instead."
)
@format_option()
def command(paths: tuple[str, ...], picked: Selection, **options: Any) -> int:
    """Show what apply would do with the specs at PATH, and why. Changes nothing."""
    if options["graph"] and options["form"] != "text":
        raise click.UsageError("--graph and --output do not go together: the picture is what goes to stdout")
    if options["out"] == "-":
        raise click.UsageError("--out writes a file; a plan on stdout is --output json")
    session = open_session(paths, picked)
    plan = session.plan()
    if options["graph"]:
        from synapse_spec.engine.graph import render

        put(render(plan, options["graph"]))
    else:
        show(plan, session, options["form"])
    if options["out"] is not None:
        _write(plan, Path(options["out"]))
    return WOULD_RUN if options["detailed_exitcode"] and plan.due else OK


def _write(plan: "Plan", path: Path) -> None:
    records = [entry.to_record() for entry in plan.entries.values()]
    text = json.dumps({"version": 1, "digest": plan.digest(), "runs": records}, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def show(plan: "Plan", session: Session, form: str) -> None:
    """Print a plan."""
    entries = list(plan.entries.values())
    if form != "text":
        orphans = [{"file": file, "names": names} for file, names in (plan.orphans | session.left.emptied).items()]
        emit({"runs": [entry.to_record() for entry in entries], "orphans": orphans}, form)
        return
    rows = [(entry.run.name, entry.decision.step, str(entry.run.mode), entry.decision.text) for entry in entries]
    if rows:
        click.echo(table(("NAME", "STEP", "MODE", "WHY"), rows))
    for entry in entries:
        if entry.dynamic and entry.decision.reason == "code changed":
            say(f"{entry.run.name} imports dynamically, so every file of its plugin counts as its code")
    steps = [entry.decision.step for entry in entries]
    say(", ".join(f"{steps.count(step)} to {step}" for step in dict.fromkeys(steps)) or "no runs")
    for line in session.left.told(plan.orphans, (run.name for run in session.runs), "apply --prune"):
        say(line)
