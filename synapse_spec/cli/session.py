"""What the verbs that take specs have in common: load, validate, select, read statuses, plan."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click

from synapse_spec.cli.leftovers import Leftovers, leftovers
from synapse_spec.cli.output import only_ours_on_stdout, show_diagnostics
from synapse_spec.engine.locks import is_held
from synapse_spec.engine.plan import Plan, make_plan
from synapse_spec.engine.status import RunStatus
from synapse_spec.engine.store import StatusFile
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.diagnostics import InvalidSpec
from synapse_spec.spec.graph import instead
from synapse_spec.spec.index import Index
from synapse_spec.spec.load import Loaded, load
from synapse_spec.spec.model import Run
from synapse_spec.spec.paths import first_file
from synapse_spec.spec.runs import meant
from synapse_spec.spec.validate import validate
from synapse_spec.spec.workspace import Workspace


@contextmanager
def _kept() -> Iterator[None]:
    """What is read here stays: to look through it for garbage again and again would take a quarter of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.freeze()  # else the first collection after this would look through all of it
            gc.enable()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which runs were asked for: by name, and by label."""

    only: tuple[str, ...] = ()
    selector: tuple[str, ...] = ()


ALL = Selection()


@dataclass(slots=True)
class Session:
    """Specs that were loaded, with all that belongs to them.

    Attributes:
        runs: All of them.
        selected: Those that the options picked, with what they need.
        files: Status file of each spec file, by the spec's path.
        statuses: Of all runs, those whose run is gone included.
        left: What status files hold of runs that are gone from their spec file.
        warned: Files of which something is to be said each time, as they are shown.
    """

    loaded: Loaded
    runs: list[Run]
    selected: list[Run]
    workspace: Workspace
    catalog: Catalog
    index: Index
    files: dict[str, StatusFile]
    statuses: dict[str, RunStatus]
    left: Leftovers
    warned: frozenset[str] = frozenset()

    def named(self, name: str) -> Run:
        """The run of that name.

        Raises:
            InvalidSpec: There is none, but there are specs that cannot be read.
            click.UsageError: There is none.
        """
        found = self.meant(name)
        if found[0].parent == name:
            children = "1 child" if len(found) == 1 else f"{len(found)} children"
            raise click.UsageError(f"run {name!r} has {children}; name one, such as {found[0].name!r}")
        return found[0]

    def meant(self, name: str) -> list[Run]:
        """The run of that name, in any spelling, or all children of the run with a matrix.

        Raises:
            InvalidSpec, click.UsageError: As `named`.
        """
        found = meant(name, self.runs)
        if not found and self.loaded.diagnostics:
            raise InvalidSpec(self.loaded.diagnostics)
        return found or _refused(name, self.runs)

    def keep(self, plan: Plan) -> None:
        """Write down what was found out, so that the next time is quicker."""
        for entry in plan.entries.values():
            run, found = entry.run, [self.catalog.basis(entry.run.plugin, entry.run.action), entry.spec]
            if run.file.known.get(run.name) != found and run.file.shown not in self.warned:
                kept = self.index.get(run.file.path)
                if kept is not None:
                    run.file.known[run.name] = found  # which is part of what is kept
                    self.index.put(run.file.path, *kept)
        with suppress(OSError):
            self.workspace.ensure()
            self.catalog.save()
            for file in self.files.values():
                file.keep(self.index)
            self.index.save()

    @_kept()
    def plan(self, *, force: frozenset[str] = frozenset()) -> Plan:
        plan = make_plan(
            self.selected,
            self.catalog,
            self.statuses,
            force=lambda name: name in force,
            owned=lambda name: is_held(self.workspace, name),
        )
        plan.orphans.update(self.left.orphans)
        return plan


def selection(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that pick runs; the command gets them as `picked`."""

    @click.option("-l", "--selector", multiple=True, metavar="KEY=VALUE", help=_SELECTOR_HELP)
    @click.option("--only", multiple=True, metavar="NAME", help="Only this run, with what it needs.")
    @wraps(command)
    def with_selection(*args: Any, only: tuple[str, ...], selector: tuple[str, ...], **options: Any) -> Any:
        return command(*args, picked=Selection(only, selector), **options)

    return with_selection


_SELECTOR_HELP = "Only runs with this label; may be given more than once."


@_kept()
def open_session(paths: tuple[str, ...], picked: Selection = ALL) -> Session:
    """Load and validate specs and read their statuses.

    Raises:
        InvalidSpec: Anything at all is wrong.
        click.UsageError: The options name what is not there.
    """
    session = look_at(paths, picked)
    with only_ours_on_stdout():
        problems = validate(session.loaded, session.catalog)
    if any(item.severity == "error" for item in problems):
        raise InvalidSpec(problems)
    show_diagnostics(problems)  # warnings
    session.warned = frozenset(item.path for item in problems)
    return session


@_kept()
def look_at(paths: tuple[str, ...], picked: Selection = ALL) -> Session:
    """Load specs and read their statuses, whether the specs are valid or not; touches no plugin.

    Raises:
        InvalidSpec: A status file cannot be used.
        click.UsageError: The options name what is not there.
    """
    workspace = Workspace.of(first_file(paths) or Path.cwd())
    index = Index(workspace)
    loaded = load(paths, index)
    names: dict[str, list[str]] = {file.path: [] for file in loaded.files}
    for run in loaded.runs:
        names[run.file.path].append(run.name)
    files = {path: StatusFile(status, (), index) for path, status in loaded.strays.items()}
    files |= {file.path: StatusFile.of(file, names[file.path], index) for file in loaded.files}
    own: dict[str, RunStatus] = {}
    others: dict[str, RunStatus] = {}
    unlisted: dict[str, list[str]] = {}  # in a status file, but not in its spec file
    for path, file in files.items():
        listed = set(file.order)
        for name, status in _statuses(file, lenient=path in loaded.strays).items():
            if name in listed:
                own[name] = status
            else:
                others[name] = status
                unlisted.setdefault(path, []).append(name)
    for run in loaded.runs if others else ():
        if run.name in others and run.name not in own:
            files[run.file.path].inherited[run.name] = others[run.name]
    left = leftovers(loaded, files, unlisted)
    selected = _select(loaded, picked)
    catalog = Catalog(workspace.root)
    return Session(loaded, loaded.runs, selected, workspace, catalog, index, files, others | own, left)


def _statuses(file: StatusFile, *, lenient: bool) -> dict[str, RunStatus]:
    """What the file holds; `lenient` where it may be of another tool."""
    try:
        return file.read()
    except InvalidSpec:
        if lenient:
            return {}
        raise


def _select(loaded: Loaded, picked: Selection) -> list[Run]:
    by_name = {run.name: run for run in loaded.runs}
    asked = {name: meant(name, loaded.runs) for name in picked.only}
    for name, found in asked.items():
        if not found and not loaded.broken:
            _refused(name, loaded.runs)
    wanted = dict(_pair(item) for item in picked.selector)
    chosen = {run.name for run in loaded.runs if wanted.items() <= run.labels.items()}
    if picked.only:
        needed, pending = set(), [run.name for found in asked.values() for run in found]
        while pending:
            name = pending.pop()
            if name not in needed:
                needed.add(name)
                pending.extend(item for item in by_name[name].depends_on if item in by_name)
        chosen &= needed
    return [run for run in loaded.runs if run.name in chosen]


def _refused(name: str, runs: list[Run]) -> NoReturn:
    names = [run.name for run in runs]
    hint = instead(name, names, "there are") if names else "there are none"
    raise click.UsageError(f"there is no run {name!r}; {hint}")


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise click.UsageError(f"--selector takes KEY=VALUE, not {text!r}")
    return key, value
