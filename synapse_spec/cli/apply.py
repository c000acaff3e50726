"""`synapse apply`: run what is due and write the statuses."""

import json
import os
from itertools import chain
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from synapse_spec.cli.exits import GAVE_UP, LOCKED, OK, RUN_FAILED, UNREACHABLE
from synapse_spec.cli.output import emit, format_option, only_ours_on_stdout, say
from synapse_spec.cli.session import Selection, Session, open_session, selection
from synapse_spec.spec.diagnostics import width
from synapse_spec.spec.quantities import seconds

if TYPE_CHECKING:
    from synapse_spec.engine.options import Options, Report
    from synapse_spec.engine.plan import Plan


@click.command("apply")
@click.argument("paths", nargs=-1, required=True, type=click.Path(allow_dash=True), metavar="PATH...")
@selection
@click.option("--dry-run", is_flag=True, help="Only show the plan.")
@click.option("--wait/--no-wait", default=True, help="Wait for jobs; without, the next apply or status picks them up.")
@click.option(
    "--force", is_flag=True, help="Run the selected runs even if nothing has changed (with --only: just those)."
)
@click.option("--fail-fast", is_flag=True, help="Stop everything at the first failure.")
@click.option("--timeout", metavar="DURATION", help="Give up waiting after this time, such as 90s or 2h.")
@click.option("--prune", is_flag=True, help="Remove statuses whose run is gone from its file.")
@click.option("--ray-address", metavar="ADDRESS", help="A Ray cluster; default: RAY_ADDRESS, else one of our own.")
@click.option(
    "--plan", "plan_file", type=click.Path(exists=True, dir_okay=False), help="Only if this plan still holds."
)
@format_option()
def command(paths: tuple[str, ...], picked: Selection, dry_run: bool, plan_file: str | None, **options: object) -> int:
    """Run what is due in the specs at PATH (files, folders, globs, or - for standard input)."""
    form = str(options["form"])
    session = open_session(paths, picked)
    chosen = _options(session, picked, options)
    plan = session.plan(force=chosen.force)
    if plan_file is not None:
        _hold_to(plan_file, plan)
    if dry_run:
        from synapse_spec.cli.plan import show

        show(plan, session, form)
        return OK
    with only_ours_on_stdout():
        _check_due(session, plan)
        if options["prune"]:
            _prune(session, plan, chosen.address)
        report = _carry_out(session, plan, chosen)
    return _conclude(session, plan, report, form)


def _options(session: Session, picked: Selection, options: dict[str, object]) -> "Options":
    from synapse_spec.engine.options import Options

    asked = chain.from_iterable(map(session.meant, picked.only)) if picked.only else session.selected
    forced = frozenset(run.name for run in asked) if options["force"] else frozenset()
    try:
        timeout = seconds(str(options["timeout"])) if options["timeout"] else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--timeout") from None
    address = str(options["ray_address"]) if options["ray_address"] else None
    return Options(forced, bool(options["wait"]), bool(options["fail_fast"]), timeout, address)


def _check_due(session: Session, plan: "Plan") -> None:
    """What only the params model and the environment can say of the runs that are due; before anything runs."""
    from synapse_spec.engine.plan import ADOPT
    from synapse_spec.engine.secrets import missing_secrets
    from synapse_spec.plugins.enums import ExecutionMode
    from synapse_spec.spec.diagnostics import InvalidSpec
    from synapse_spec.spec.load import diagnose
    from synapse_spec.spec.validate import check_model

    problems = []
    for entry in plan.due:
        if entry.decision.step == ADOPT:  # it runs already
            continue
        found = check_model(entry.run, session.catalog)
        # What a task or job imports need not be installed here, where its schemas are known.
        absent = ("SS204", "SS207") if entry.mode is not ExecutionMode.LOCAL else ()
        problems += [item for item in found if item.code not in absent]
        for error in missing_secrets(entry.run):
            problems.append(diagnose(entry.run, "SS305", str(error), ("spec", "env", error.name)))
    if problems:
        raise InvalidSpec(problems)


def _carry_out(session: Session, plan: "Plan", options: "Options") -> "Report":
    from synapse_spec.engine.options import Report

    session.keep(plan)
    for file in session.files.values():
        if os.path.relpath(file.path) in plan.orphans:
            file.tidy()
    if not any(entry.writes for entry in plan.entries.values()):
        return Report()
    from synapse_spec.cli.progress import observer
    from synapse_spec.engine.backends import Backends
    from synapse_spec.engine.reconcile import Reconciler
    from synapse_spec.engine.stage import Stage

    with observer(max(width(run.name) for run in session.selected)) as shown:
        stage = Stage(
            workspace=session.workspace,
            catalog=session.catalog,
            files=session.files,
            statuses=session.statuses,
            observer=shown,
            options=options,
            backends=Backends(
                session.workspace,
                options.address,
                uses=set().union(*(entry.uses for entry in plan.due)),
                task_limit=session.catalog.settings.tasks,
            ),
        )
        try:
            return Reconciler(plan, stage).run()
        except KeyboardInterrupt:
            _tell_of_jobs(plan, session)
            _summary(session, plan, _phases(plan, session))
            raise
        finally:
            stage.backends.close()
            session.keep(plan)


def _tell_of_jobs(plan: "Plan", session: Session) -> None:
    """What goes on without us, and what can be done about it."""
    statuses = [session.statuses[name] for name in plan.entries if name in session.statuses]
    for name in (status.name for status in statuses if status.phase == "Running" and status.mode == "job"):
        say(f"job {name} goes on; see: synapse status; stop it: synapse cancel {quote(name)}")


def _conclude(session: Session, plan: "Plan", report: "Report", form: str) -> int:
    phases = _phases(plan, session)
    if form != "text":
        records = []
        for name, entry in plan.entries.items():
            status = session.statuses.get(name) or entry.status
            records.append(
                entry.to_record() | {"phase": status.phase, "message": status.message or entry.decision.text}
            )
        emit({"runs": records}, form)
    _summary(session, plan, phases)
    for name in report.ran:
        if (ended := session.statuses.get(name)) is not None and ended.phase == "Failed":
            say(f"what {name} wrote: synapse logs {quote(name)}")
    _tell_unreachable(report.unreachable)
    if report.unreachable:
        return UNREACHABLE
    if report.locked:
        say(f"error: another process is at {', '.join(report.locked)}")
        return LOCKED
    if report.gave_up:
        say("error: gave up waiting")
        _tell_of_jobs(plan, session)
        return GAVE_UP
    return RUN_FAILED if any(phase in ("Failed", "Cancelled", "Blocked") for phase in phases) else OK


def _tell_unreachable(unreachable: dict[str, str]) -> None:
    from synapse_spec.engine.sweep import summed_up

    for why in dict.fromkeys(unreachable.values()):
        names = [name for name, of in unreachable.items() if of == why]
        say(f"error: {why} (needed by {summed_up(names)})")


def _phases(plan: "Plan", session: Session) -> list[str]:
    statuses = [session.statuses.get(name) for name in plan.entries]
    return [status.phase for status in statuses if status is not None]


def _summary(session: Session, plan: "Plan", phases: list[str]) -> None:
    total = len(plan.entries)
    runs = f"{total} {'run' if total == 1 else 'runs'}"
    counted = ", ".join(f"{phases.count(phase)} {phase.lower()}" for phase in dict.fromkeys(phases))
    if plan.due:
        say(f"{runs}: {counted or 'not started'}")
    else:
        say(f"nothing to do: {runs} ({counted})" if phases else "nothing to do: no run was picked")
    for line in session.left.told(plan.orphans, (run.name for run in session.runs), "--prune"):
        say(line)


def _hold_to(plan_file: str, plan: "Plan") -> None:
    """Refuse to go on if the plan that was looked at is no longer the plan.

    Raises:
        InvalidSpec: It is another one, or the file is none.
    """
    from synapse_spec.spec.diagnostics import Diagnostic, InvalidSpec

    try:
        expected = json.loads(Path(plan_file).read_text(encoding="utf-8"))["digest"]
    except (ValueError, LookupError, TypeError):
        raise InvalidSpec([Diagnostic("SS402", "this is no plan written by 'synapse plan --out'", plan_file)]) from None
    if expected != plan.digest():
        message = "specs, code or statuses have moved since this plan was made; make it again"
        raise InvalidSpec([Diagnostic("SS402", message, plan_file)])


def _prune(session: Session, plan: "Plan", address: str | None) -> None:
    """Stop what is at work of the runs that are gone, and forget them."""
    from synapse_spec.engine.stop import stop
    from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable

    for file in session.files.values():
        gone = []
        for name in plan.orphans.pop(os.path.relpath(file.path), []):
            try:
                if stop(name, file, session.workspace, address=address, hidden={}).phase != "Running":
                    gone.append(name)
                    continue
                why = "is still at work"
            except ClusterUnreachable as error:
                why = f"may be at work still ({error.message})"
            say(f"{name} {why}, so its status is kept")
        if gone:
            file.remove(gone)
            say(f"removed the status of {', '.join(gone)}")
