"""What the verbs that take specs have in common: load, validate, select, read statuses, plan."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from synapse_spec.engine.locks import is_held
from synapse_spec.engine.plan import Plan, make_plan
from synapse_spec.engine.status import RunStatus
from synapse_spec.engine.store import StatusFile
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.diagnostics import InvalidSpec
from synapse_spec.spec.load import Loaded, load
from synapse_spec.spec.model import Run
from synapse_spec.spec.validate import validate
from synapse_spec.spec.workspace import Workspace


@dataclass(slots=True)
class Session:
    """Specs that were loaded, with all that belongs to them.

    Attributes:
        runs: All of them.
        selected: Those that the options picked, with what they need.
        files: Status file of each spec file, by the spec's path.
        statuses: Of all runs, those whose run is gone included.
        orphans: Names in a status file whose run is gone from the spec file, by the status file as it is shown.
    """

    loaded: Loaded
    runs: list[Run]
    selected: list[Run]
    workspace: Workspace
    catalog: Catalog
    files: dict[Path, StatusFile]
    statuses: dict[str, RunStatus]
    orphans: dict[str, list[str]]

    def plan(self, *, force: frozenset[str] = frozenset()) -> Plan:
        plan = make_plan(
            self.selected,
            self.catalog,
            self.statuses,
            force=lambda name: name in force,
            owned=lambda name: is_held(self.workspace, name),
        )
        plan.orphans.update(self.orphans)
        return plan


def selection(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that pick runs."""
    command = click.option("--only", multiple=True, metavar="NAME", help="Only this run, with what it needs.")(command)
    words = "Only runs with this label; may be given more than once."
    return click.option("-l", "--selector", multiple=True, metavar="KEY=VALUE", help=words)(command)


def open_session(paths: tuple[str, ...], only: tuple[str, ...] = (), selector: tuple[str, ...] = ()) -> Session:
    """Load and validate specs and read their statuses.

    Raises:
        InvalidSpec: Anything at all is wrong.
        click.UsageError: The options name what is not there.
    """
    loaded = load(paths)
    start = loaded.files[0].path if loaded.files else Path.cwd()
    workspace = Workspace.of(start)
    catalog = Catalog(workspace.root)
    problems = validate(loaded, catalog)
    if any(item.severity == "error" for item in problems):
        raise InvalidSpec(problems)
    names: dict[Path, list[str]] = {file.path: [] for file in loaded.files}
    for run in loaded.runs:
        names[run.file.path].append(run.name)
    files = {file.path: StatusFile.of(file, names[file.path]) for file in loaded.files}
    statuses: dict[str, RunStatus] = {}
    orphans: dict[str, list[str]] = {}
    for path, file in files.items():
        stored = file.read()
        statuses |= stored
        gone = [name for name in stored if name not in file.order]
        if gone and path not in loaded.broken:
            orphans[os.path.relpath(file.path)] = gone
    selected = _select(loaded.runs, only, selector)
    return Session(loaded, loaded.runs, selected, workspace, catalog, files, statuses, orphans)


def _select(runs: list[Run], only: tuple[str, ...], selector: tuple[str, ...]) -> list[Run]:
    by_name = {run.name: run for run in runs}
    for name in only:
        if name not in by_name:
            raise click.UsageError(f"there is no run {name!r}; there are {', '.join(by_name)}")
    wanted = dict(_pair(item) for item in selector)
    picked = {run.name for run in runs if wanted.items() <= run.labels.items()}
    if only:
        needed, pending = set(), list(only)
        while pending:
            name = pending.pop()
            if name not in needed:
                needed.add(name)
                pending.extend(item for item in by_name[name].depends_on if item in by_name)
        picked &= needed
    return [run for run in runs if run.name in picked]


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator:
        raise click.UsageError(f"--selector takes KEY=VALUE, not {text!r}")
    return key, value
