"""`synapse validate`: every problem of every file in one pass."""

from collections.abc import Sequence

import click

from synapse_spec.cli.exits import INVALID, OK
from synapse_spec.cli.output import (
    counted,
    emit,
    format_option,
    only_ours_on_stdout,
    put,
    say,
    show_diagnostics,
)
from synapse_spec.spec.diagnostics import Diagnostic
from synapse_spec.spec.validate import validate_files


@click.command("validate")
@click.argument("paths", nargs=-1, required=True, type=click.Path(allow_dash=True), metavar="PATH...")
@click.option("--offline", is_flag=True, help="Import no plugin: use exported schemas only.")
@format_option("text", "json", "yaml", "github", "junit", "sarif")
def command(paths: tuple[str, ...], offline: bool, form: str) -> int:
    """Check the specs at PATH and report every problem."""
    with only_ours_on_stdout():
        checked = validate_files(paths, offline=offline)
    problems = checked.diagnostics
    if form in ("json", "yaml"):
        emit({"diagnostics": [item.to_record() for item in problems]}, form)
    else:  # what is made for CI systems hides some, or goes to a file: the log has them all
        _say(problems, checked.runs, len(checked.files))
    if form in ("github", "junit", "sarif"):
        put(_rendered(problems, form, [file.shown for file in checked.files]))
    return INVALID if any(item.severity == "error" for item in problems) else OK


def _say(problems: Sequence[Diagnostic], runs: int, files: int) -> None:
    show_diagnostics(problems)
    if all(item.severity != "error" for item in problems):
        warnings = f", with {counted(len(problems), 'warning')}" if problems else ""
        say(f"{counted(runs, 'run')} in {counted(files, 'file')}: all valid{warnings}")


def _rendered(problems: Sequence[Diagnostic], form: str, files: Sequence[str]) -> str:
    from synapse_spec.cli import reports

    match form:
        case "github":
            return reports.github(problems)
        case "junit":
            return reports.junit(problems, files)
        case _:
            return reports.sarif(problems)
