"""`synapse status`: the status of runs; brings back the results of jobs that have ended meanwhile."""

import click

from synapse_spec.cli.exits import INVALID, OK
from synapse_spec.cli.output import (
    duration,
    emit,
    format_option,
    only_ours_on_stdout,
    say,
    show_diagnostics,
    style,
    table,
)
from synapse_spec.cli.session import Selection, Session, look_at, selection
from synapse_spec.engine.status import PHASES, RUNNING, RunStatus
from synapse_spec.spec.model import Run


@click.command("status")
@click.argument("paths", nargs=-1, type=click.Path(allow_dash=True), metavar="[PATH...]")
@selection
@click.option("--phase", "phases", multiple=True, type=click.Choice(PHASES), help="Only runs in this phase.")
@click.option("--ray-address", metavar="ADDRESS", help="The Ray cluster that jobs were submitted to.")
@format_option()
def command(
    paths: tuple[str, ...], picked: Selection, phases: tuple[str, ...], ray_address: str | None, form: str
) -> int:
    """Show the status of the runs at PATH (this folder by default); specs that cannot be read are told of, too."""
    session = look_at(paths or (".",), picked)
    _bring_back(session, ray_address)
    shown = [(run, session.statuses.get(run.name) or RunStatus(run.name)) for run in session.selected]
    shown = [(run, status) for run, status in shown if not phases or status.phase in phases]
    if form != "text":
        emit({"runs": [status.to_document() | {"file": run.file.shown} for run, status in shown]}, form)
    elif shown:
        _show(shown)
    problems = session.loaded.diagnostics
    if problems:
        show_diagnostics(problems)
    return INVALID if problems else OK


def _bring_back(session: Session, address: str | None) -> None:
    """Finish the statuses of jobs that have ended since their client left."""
    if not any(_is_open_job(session.statuses.get(run.name)) for run in session.selected):
        return
    from synapse_spec.engine.collect import Collector
    from synapse_spec.engine.secrets import read_secrets

    with only_ours_on_stdout(), Collector(session.workspace, address) as collector:
        for run in session.selected:
            if _is_open_job(session.statuses.get(run.name)):
                hidden = read_secrets(run, lenient=True)  # whoever looks need not have the secrets
                file = session.files[run.file.path]
                session.statuses[run.name] = collector.collect(run.name, file, hidden)
        for why in dict.fromkeys(collector.unreachable.values()):
            say(f"not asked for its jobs: {why}")


def _is_open_job(status: RunStatus | None) -> bool:
    return status is not None and status.phase == RUNNING and status.mode == "job"


def _show(shown: list[tuple[Run, RunStatus]]) -> None:
    rows = [_row(run, status) for run, status in shown]
    click.echo(table(("NAME", "PHASE", "REASON", "MODE", "ATTEMPT", "TIME", "METRICS"), rows, styled=1))
    for run, status in shown:
        if status.message:
            say(f"{run.name}: {style(status.reason, status.phase)}: {status.message}")


def _row(run: Run, status: RunStatus) -> tuple[str, ...]:
    attempt = status.attempt
    metrics = " ".join(
        f"{step}.{key}={value:.4g}" if isinstance(value, float) else f"{step}.{key}={value}"
        for step, values in status.metrics.items()
        for key, value in values.items()
    )
    number = str(attempt.number) if attempt else "-"
    return (
        run.name,
        status.phase,
        status.reason,
        str(run.mode),
        number,
        duration(attempt.seconds if attempt else None),
        metrics,
    )
