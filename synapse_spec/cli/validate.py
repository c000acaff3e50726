"""`synapse validate`: every problem of every file in one pass."""

from pathlib import Path

import click

from synapse_spec.cli.exits import INVALID, OK
from synapse_spec.cli.output import emit, format_option, only_ours_on_stdout, say, show_diagnostics
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.diagnostics import Diagnostic
from synapse_spec.spec.load import load
from synapse_spec.spec.validate import validate
from synapse_spec.spec.workspace import Workspace


@click.command("validate")
@click.argument("paths", nargs=-1, required=True, type=click.Path(allow_dash=True), metavar="PATH...")
@click.option("--offline", is_flag=True, help="Import no plugin: use exported schemas only.")
@format_option("text", "json", "yaml", "github")
def command(paths: tuple[str, ...], offline: bool, form: str) -> int:
    """Check the specs at PATH and report every problem."""
    loaded = load(paths)
    root = Workspace.of(loaded.files[0].path if loaded.files else Path.cwd()).root
    with only_ours_on_stdout():
        problems = validate(loaded, Catalog(root, offline=offline), models=not offline)
    _report(problems, form, len(loaded.runs), len(loaded.files))
    return INVALID if any(item.severity == "error" for item in problems) else OK


def _report(problems: list[Diagnostic], form: str, runs: int, files: int) -> None:
    if form == "github":
        for item in problems:
            click.echo(_annotation(item))
    elif form != "text":
        emit({"diagnostics": [item.to_record() for item in problems]}, form)
    elif problems:
        show_diagnostics(problems)
    else:
        say(f"{runs} {'run' if runs == 1 else 'runs'} in {files} {'file' if files == 1 else 'files'}: all valid")


def _annotation(item: Diagnostic) -> str:
    """A workflow command of GitHub Actions."""
    record = item.to_record()
    message = record["message"] + (f" ({item.hint})" if item.hint else "")
    file = _escaped(record["path"]).replace(":", "%3A").replace(",", "%2C")
    place = f"file={file},line={record['line']},col={record['column']},endLine={record['endLine']}"
    return f"::{item.severity} {place},title={item.code}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
