"""`synapse set FILE NAME.path=value...`: edit a spec; what would be invalid is refused, and the layout stays."""

import json
import os
import re
from collections import Counter
from dataclasses import dataclass, replace
from difflib import get_close_matches, unified_diff
from pathlib import Path
from typing import Any

import click

from synapse_spec.cli.exits import INVALID, OK
from synapse_spec.cli.output import only_ours_on_stdout, say, style
from synapse_spec.plugins import yaml
from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.check import dotted
from synapse_spec.spec.diagnostics import Diagnostic, render_text
from synapse_spec.spec.edit import MISSING, EditError, assign, changes, rewritten
from synapse_spec.spec.load import Loaded, load, load_text
from synapse_spec.spec.model import SpecFile
from synapse_spec.spec.references import dig
from synapse_spec.spec.validate import validate
from synapse_spec.spec.workspace import Workspace

_EDIT = re.compile(r'([^.\[\]="]+)((?:\.[^.\[\]="]+|\[\d+\]|\["(?:[^"\\]|\\.)*"\])+)(?:=(.*))?', re.DOTALL)
_PART = re.compile(r'\.([^.\[\]="]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]')
_PLAIN = re.compile(r"[\w.+~-]+")  # null, true and numbers, as they are typed


@dataclass(frozen=True, slots=True)
class Edit:
    """One value to set.

    Attributes:
        place: NAME.path, as given.
        path: Where, from the list of documents on.
        value: MISSING to take it away.
        text: The value as it was typed.
    """

    place: str
    path: KeyPath
    value: Any = MISSING
    text: str = ""

    @property
    def pointer(self) -> str:
        return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in self.path)


@dataclass(frozen=True, slots=True)
class Target:
    """The file as it was read; `others` are specs that its runs refer to."""

    shown: str
    data: bytes
    others: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        return Path(self.shown)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What edits make of a file.

    Attributes:
        data: The text.
        documents: What it means.
        refused: Problems that it must not have.
        refused_at: Their places, as pointers from the list of documents on.
        left: How many other problems it has.
    """

    data: bytes
    documents: list[Any]
    refused: list[Diagnostic]
    refused_at: set[str]
    left: int


@click.command("set")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.argument("assignments", nargs=-1, metavar="NAME.PATH=VALUE...")
@click.option("--unset", multiple=True, metavar="NAME.PATH", help="Take a value away; may be given more than once.")
@click.option("--dry-run", is_flag=True, help="Show the change as a unified diff, and write nothing.")
@click.option("--with", "others", multiple=True, metavar="PATH", help="Other specs, which runs of FILE depend on.")
def command(
    file: str, assignments: tuple[str, ...], unset: tuple[str, ...], dry_run: bool, others: tuple[str, ...]
) -> int:
    """Set values of run NAME in FILE; VALUE is YAML.

    PATH is params.epochs, timeout, labels.team, params.layers[0].size and the like. All is written, or nothing.
    """
    target = Target(file, Path(file).read_bytes(), others)
    try:
        documents = yaml.parse(target.data, yaml.MAX_VALUES)
    except yaml.YamlError:
        return _refuse(load([file]).diagnostics, target.data, file)
    edits = [_assignment(item, documents) for item in assignments] + [_removal(item, documents) for item in unset]
    if not edits:
        raise click.UsageError("nothing to set; give NAME.PATH=VALUE, or --unset NAME.PATH")
    outcome = _settled(target, edits)
    if outcome.refused:
        return _refuse(outcome.refused, outcome.data, file)
    for path, before, after in changes(documents, outcome.documents):
        say(_change(documents[int(path[0])]["metadata"]["name"], path[1:], before, after))
    if outcome.data == target.data:
        say("nothing to change")
    elif dry_run:
        _show_difference(target, outcome.data)
    else:
        _write(target, outcome.data)
    if outcome.left:
        say(f"{_count(outcome.left)} left: see 'synapse validate {file}'")
    return OK


def _assignment(text: str, documents: list[Any]) -> Edit:
    match = _EDIT.fullmatch(text)
    if match is None or match[3] is None:
        raise click.UsageError(f"{text!r} is not NAME.PATH=VALUE, such as train.params.epochs=30")
    place = match[1] + match[2]
    if not match[3].strip():
        hint = f"for an empty text write {place}='\"\"', for null {place}=null; or --unset {place}"
        raise click.UsageError(f"{place}: no value is given; {hint}")
    return Edit(place, _path(match, documents), _value(place, match[3]), match[3].strip())


def _removal(text: str, documents: list[Any]) -> Edit:
    match = _EDIT.fullmatch(text)
    if match is None or match[3] is not None:
        raise click.UsageError(f"--unset takes NAME.PATH, such as train.params.epochs, not {text!r}")
    edit = Edit(text, _path(match, documents))
    try:
        dig(documents, edit.path)
    except LookupError:
        say(f"{text}: not set")
    return edit


def _path(match: re.Match[str], documents: list[Any]) -> KeyPath:
    """From the list of documents on. Most of what is set is in `spec`, so that need not be said."""
    parts = [
        int(index) if index else name or re.sub(r"\\(.)", r"\1", quoted)
        for name, index, quoted in _PART.findall(match[2])
    ]
    if parts[0] in ("labels", "annotations"):
        parts.insert(0, "metadata")
    elif parts[0] not in ("metadata", "spec"):
        parts.insert(0, "spec")
    return _document(match[1], match[0], documents), *parts


def _document(name: str, text: str, documents: list[Any]) -> int:
    names = [item["metadata"].get("name") if _is_run(item) else None for item in documents]
    if names.count(name) == 1:
        return names.index(name)
    if name in names:
        raise click.UsageError(f"more than one run is called {name!r}; edit the file by hand")
    known = [item for item in names if isinstance(item, str)]
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known) or 'none'}"
    if len(known) == 1 and not near:
        hint += f"; write {known[0]}.{text}"
    raise click.UsageError(f"the file has no run {name!r}; {hint}")


def _is_run(document: Any) -> bool:
    return isinstance(document, dict) and document.get("kind") == "Run" and isinstance(document.get("metadata"), dict)


def _value(place: str, text: str) -> Any:
    """What a text means as YAML; one that is plain is taken as it is, with what would be a comment."""
    try:
        (value,) = yaml.parse(text.encode("utf-8", "surrogateescape"))
    except (ValueError, yaml.YamlError) as error:
        why = error.message if isinstance(error, yaml.YamlError) else "it is more than one value"
        raise click.UsageError(f"{place}: the value is not YAML: {why}; a text may be put in quotes: '\"…\"'") from None
    is_plain = isinstance(value, str) and text.strip()[0] not in "\"'|>"
    return text.strip() if is_plain else value


def _settled(target: Target, edits: list[Edit]) -> Outcome:
    """What the edits make; a number or boolean that does not fit, where it would as a text, is meant as a text."""
    outcome = _outcome(target, edits)
    for index, edit in enumerate(edits):
        if isinstance(edit.value, int | float) and edit.pointer in outcome.refused_at:
            trial_edits = [*edits[:index], replace(edit, value=edit.text), *edits[index + 1 :]]
            trial = _outcome(target, trial_edits)
            if edit.pointer not in trial.refused_at:
                edits, outcome = trial_edits, trial
    return outcome


def _outcome(target: Target, edits: list[Edit]) -> Outcome:
    """What the edits make of the file.

    A problem is a reason to refuse them if it is at a place that was set. So is one that is new elsewhere, unless
    they mend something: then it may have been hidden before.
    """
    wanted = yaml.parse(target.data)
    for edit in edits:
        try:
            assign(wanted, edit.path, edit.value)
        except LookupError as error:
            raise click.UsageError(f"{edit.place}: {error}") from None
    typed = {edit.path: edit.text for edit in edits if not isinstance(edit.value, str) and _PLAIN.fullmatch(edit.text)}
    new = rewritten(target.data, wanted, typed)
    found = _problems(target, new)
    before = Counter(key for key, _ in _problems(target, target.data)) if found else Counter()
    mends = bool(before - Counter(key for key, _ in found))
    refused: list[tuple[str, Diagnostic]] = []
    for key, item in found:
        is_new, before[key] = before[key] < 1, before[key] - 1
        if (is_new and not mends) or any(f"{key[0]}/".startswith(f"{edit.pointer}/") for edit in edits):
            refused.append((key[0], item))
    return Outcome(
        new, wanted, [item for _, item in refused], {place for place, _ in refused}, len(found) - len(refused)
    )


def _problems(target: Target, data: bytes) -> list[tuple[tuple[str, str], Diagnostic]]:
    """The errors of the file if it held `data`, each with its place and code."""
    own = SpecFile(os.path.abspath(target.shown), target.shown, data)
    loaded, others = Loaded(), load(target.others)
    load_text(own, data, True, loaded)
    loaded.runs = [run for run in others.runs if run.file.path != own.path] + loaded.runs
    loaded.hidden |= others.hidden
    with only_ours_on_stdout():
        found = validate(loaded, Catalog(Workspace.of(target.path).root), models=True)
    starts = [
        (yaml.locate(data, index, ()).line, index) for index, item in enumerate(yaml.parse(data)) if item is not None
    ]
    return [(_key(item, starts), item) for item in found if item.severity == "error" and item.path == target.shown]


def _key(item: Diagnostic, starts: list[tuple[int, int]]) -> tuple[str, str]:
    """The place of a problem, its document included, and its code: these stay when lines move."""
    line = item.span.line if item.span else 1
    document = max((index for start, index in starts if start <= line), default=0)
    return f"/{document}{item.pointer or ''}", item.code


def _change(name: str, path: KeyPath, old: Any, new: Any) -> str:
    """`train.params.epochs: 10 -> 30`."""
    place = dotted((name, *(path[1:] if path[0] == "spec" else path)))
    shown = ("(not set)" if value is MISSING else json.dumps(value, ensure_ascii=False) for value in (old, new))
    return f"{place}: {' -> '.join(shown)}"


def _refuse(problems: list[Diagnostic], data: bytes, file: str) -> int:
    """Show problems of a text, whether it stands in the file or not."""
    for item in problems:
        say(render_text(item, data.decode("utf-8", "replace"), style))
    say(f"{_count(len(problems))}; {file} was not changed")
    return INVALID


def _show_difference(target: Target, new: bytes) -> None:
    old_lines, new_lines = (text.decode("utf-8").splitlines() for text in (target.data, new))
    for line in unified_diff(old_lines, new_lines, target.shown, target.shown, lineterm=""):
        click.echo(style(line, {"-": "removed", "+": "added", "@": "place"}.get(line[0], "")))


def _write(target: Target, new: bytes) -> None:
    from synapse_spec.engine.store import replace_file

    path = target.path.resolve()  # a link goes on pointing to it
    if path.read_bytes() != target.data:
        raise EditError("the file has changed meanwhile; nothing was written", {"path": str(path)})
    replace_file(path, new.decode("utf-8"))


def _count(problems: int) -> str:
    return f"{problems} {'problem' if problems == 1 else 'problems'}"
