"""`synapse explain`: the docs of a diagnostic, of an action and its params, of a field of the run spec."""

import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import synapse_spec
from synapse_spec.cli.exits import OK
from synapse_spec.cli.output import emit, format_option, only_ours_on_stdout, say

if TYPE_CHECKING:
    from synapse_spec.spec.facts import ActionFacts
    from synapse_spec.spec.fields import Field

_CODE = re.compile(r"[A-Za-z]{2}\d{1,4}")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")


@click.command("explain")
@click.argument("topic", metavar="CODE|PLUGIN:ACTION[.PARAM]|FIELD")
@format_option()
def command(topic: str, form: str) -> int:
    """Explain a diagnostic, an action, one of its params, or a field of the run spec.

    \b
    synapse explain SS104                           the diagnostic
    synapse explain plugins/digits:train            the action
    synapse explain plugins/digits:train.epochs     a param of it
    synapse explain spec.retry.backoff              a field of a run

    PLUGIN is a folder, a module, or the code of a plugin whose schemas are exported.
    """
    from synapse_spec.spec.envelope import RUN

    if _CODE.fullmatch(topic):
        _diagnostic(topic.upper(), form)
    elif ":" in topic and not Path(topic).exists():
        _plugin(topic, form)
    elif Path(topic).exists() or topic.removeprefix("run.").partition(".")[0] not in ("run", *RUN["properties"]):
        raise click.UsageError(_no_topic(topic))
    else:
        _field(topic.removeprefix("run.") if topic != "run" else "", form)
    return OK


def _no_topic(topic: str) -> str:
    from synapse_spec.cli.plugin import known_plugin
    from synapse_spec.plugins.errors import PluginError
    from synapse_spec.spec.envelope import RUN
    from synapse_spec.spec.fields import fields, written

    try:
        with only_ours_on_stdout():
            offered = known_plugin(topic).offered
        return f"name one of its actions: {', '.join(f'{topic}:{name}' for name in offered)}"
    except PluginError:
        paths = [written(field.path) for field in fields(RUN, RUN)]
        by_name = {path.rpartition(".")[2]: path for path in reversed(paths)}
        near = get_close_matches(topic, [*by_name, *paths], 1, 0.7)
        hint = f"; did you mean {by_name.get(near[0], near[0])!r}?" if near else ""
        return f"nothing is known of {topic!r}{hint}"


def _diagnostic(code: str, form: str) -> None:
    from synapse_spec.spec.diagnostics import CODES

    if code not in CODES:
        near = get_close_matches(code, CODES, 1, 0.8)
        listed = "\n".join(f"  {code}  {words}" for code, words in CODES.items())
        hint = f"did you mean {near[0]}? " if near else ""
        raise click.UsageError(f"there is no diagnostic {code}; {hint}there are:\n{listed}")
    text = entry(code)
    if form == "text":
        _show_markdown(f"## {code}: {CODES[code]}\n\n{text}")
    else:
        emit({"code": code, "title": CODES[code], "text": text}, form)


def page() -> Path:
    """Where the docs of diagnostics are: shipped inside the package, in a checkout beside it."""
    package = Path(synapse_spec.__file__).parent
    shipped = package / "docs" / "diagnostics.md"
    return shipped if shipped.is_file() else package.parent / "docs" / "diagnostics.md"


def entry(code: str) -> str:
    """What that page says of a code, as Markdown without links and without its heading."""
    lines: list[str] = []
    inside = fenced = False
    for line in page().read_text(encoding="utf-8").splitlines():
        fenced ^= line.startswith("```")
        if line.startswith("#") and not fenced:
            inside = line.startswith(f"### {code}:")
        elif inside:
            lines.append(line)
    return _LINK.sub(r"\1", "\n".join(lines)).strip() + "\n"


def _show_markdown(text: str) -> None:
    from synapse_spec.cli.tables import console

    terminal = console()
    if terminal is None:
        click.echo(text.removeprefix("## "), nl=False)
        return
    from rich.markdown import Markdown

    terminal.print(Markdown(text))


def _field(path: str, form: str) -> None:
    from synapse_spec.spec.envelope import RUN
    from synapse_spec.spec.fields import Field, find

    try:
        found = find(RUN, path) if path else [Field((), RUN)]
    except LookupError as error:
        raise click.UsageError(str(error.args[0])) from None
    _show_fields(path or "run", found, RUN, (), form)


def _plugin(topic: str, form: str) -> None:
    from synapse_spec.cli.plugin import ExportedPlugin, known_plugin
    from synapse_spec.plugins.errors import PluginError
    from synapse_spec.spec.fields import find

    word, _, rest = topic.rpartition(":")
    with only_ours_on_stdout():
        plugin = known_plugin(word)
        name, path = _split(rest, plugin.offered)
        facts = plugin.action(name)
    if isinstance(plugin, ExportedPlugin):
        say(f"as the schemas of {plugin.code} were exported")
    label = f"{plugin.code}:{name}"
    if not path:
        _show_action(label, facts, form)
        return
    try:
        found = find(facts.params, path)
    except LookupError as error:
        raise PluginError(f"{label}: {error.args[0]}") from None
    _show_fields(f"{label}.{path}", found, facts.params, ("spec", "params"), form)


def _split(text: str, offered: list[str]) -> tuple[str, str]:
    """`train.layers[0]` as action and param; names of actions may have dots."""
    fitting = [name for name in offered if text == name or text.startswith((f"{name}.", f"{name}["))]
    name = max(fitting, key=len, default=text.partition(".")[0])
    return name, text.removeprefix(name).lstrip(".")


def _show_action(label: str, facts: "ActionFacts", form: str) -> None:
    from synapse_spec.cli.tables import show_action

    if form == "text":
        click.echo(click.style(label, bold=True))
        show_action(facts.description, facts.params, facts.result)
    else:
        shown = {"action": label, "description": facts.description, "params": facts.params, "result": facts.result}
        emit(shown | {"entrypoint": facts.entrypoint, "code": facts.code}, form)


def _show_fields(label: str, found: "list[Field]", root: dict[str, Any], above: tuple[str, ...], form: str) -> None:
    """Show what one path leads to: one field, or one of each form of the mapping that it is in."""
    from synapse_spec.spec.describe import merged
    from synapse_spec.spec.fields import written

    if form != "text":
        records = [
            {"path": written(field.path), "required": field.required, "schema": merged(field.schema, root)}
            for field in found
        ]
        emit({"topic": label, "fields": records, "$defs": root.get("$defs", {})}, form)
        return
    for field in found:
        of_form = f"  ({field.form})" if len(found) > 1 and field.form else ""
        click.echo(click.style(label, bold=True) + of_form)
        _show_field(field, root, above)


def _show_field(field: "Field", root: dict[str, Any], above: tuple[str, ...]) -> None:
    from synapse_spec.cli.tables import indented, show_rows
    from synapse_spec.plugins import yaml
    from synapse_spec.spec.describe import merged
    from synapse_spec.spec.example import example
    from synapse_spec.spec.fields import facts_of, placed, rows

    schema = merged(field.schema, root)
    if about := str(schema.get("description", "")).strip():
        click.echo(indented(about))
    click.echo()
    for name, words in facts_of(field, root):
        click.echo(indented(f"{name + ':':10} {words}"))
    if inner := rows(schema, root):
        click.echo("\n  Inside:\n")
        show_rows(("FIELD", "TYPE", "DEFAULT", "DESCRIPTION"), inner)
    value = example(schema, root) if field.path else []
    if value:
        click.echo("\n  In a spec:\n")
        click.echo(indented(yaml.dump(placed((*above, *field.path), value[0])), 4))
