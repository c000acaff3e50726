"""Tables of fields, for `inspect` and `explain`: wrapped on a terminal, plain columns elsewhere."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from synapse_spec.cli.output import table
from synapse_spec.spec.describe import printable, type_text
from synapse_spec.spec.fields import rows

if TYPE_CHECKING:
    from rich.console import Console

_HEADS = ("TYPE", "DEFAULT", "DESCRIPTION")


def console() -> "Console | None":
    """The terminal that stdout is, if it is one."""
    if not sys.stdout.isatty():
        return None
    from rich.console import Console

    colour = click.get_current_context().find_root().color
    return Console(no_color=True if colour is False else None, highlight=False)


def show_rows(heads: Sequence[str], listed: Sequence[Sequence[str]]) -> None:
    """A table, two columns in; a column without any word is left out."""
    used = [index for index in range(len(heads)) if index == 0 or any(row[index] for row in listed)]
    heads, listed = [heads[index] for index in used], [[row[index] for index in used] for row in listed]
    terminal = console()
    if terminal is None:
        click.echo(indented(table(heads, listed)))
        return
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, pad_edge=False)
    for head in heads:
        shown.add_column(head, overflow="fold", header_style="dim")
    for row in listed:
        shown.add_row(*(Text(printable(cell)) for cell in row))
    terminal.print(Padding(shown, (0, 0, 0, 2)))


def show_action(description: str, params: dict[str, Any], result: dict[str, Any] | None) -> None:
    """What an action does, takes and gives."""
    if description:
        click.echo(indented(description))
    if listed := rows(params, params):
        click.echo()
        show_rows(("PARAM", *_HEADS), listed)
    else:
        click.echo(f"\n  It takes {'no' if params.get('additionalProperties') is False else 'any'} params.")
    if result is not None and (listed := rows(result, result)):
        click.echo()
        show_rows(("RESULT", "TYPE", "DESCRIPTION"), [(name, kind, about) for name, kind, _, about in listed])
    elif result is not None:
        click.echo(f"\n  RESULT  {type_text(result, result)}")


def indented(text: str, by: int = 2) -> str:
    """A text of several lines, as it may be shown on a terminal."""
    return "\n".join(" " * by + printable(line) if line.strip() else "" for line in text.rstrip().splitlines())
