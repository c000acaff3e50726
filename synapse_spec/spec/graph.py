"""The runs as a graph: who waits for whom, in which order they go, and what is wrong with that. Pure.

Called by `validate`, and by the engine for the order.
"""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec import references
from synapse_spec.spec.child_names import canonical
from synapse_spec.spec.diagnostics import Diagnostic
from synapse_spec.spec.load import diagnose, whole
from synapse_spec.spec.model import Run
from synapse_spec.spec.wording import near

_MOST_LISTED = 10


def order(runs: list[Run]) -> list[str]:
    """Names of runs, dependencies first, otherwise as written.

    Raises:
        graphlib.CycleError: They depend on each other in a circle.
    """
    names = dict.fromkeys(run.name for run in runs)
    if not any(run.depends_on for run in runs):
        return list(names)
    sorter = TopologicalSorter({run.name: [name for name in run.depends_on if name in names] for run in runs})
    return list(sorter.static_order())


def names(runs: list[Run]) -> Iterator[Diagnostic]:
    """Runs that have the name of another."""
    first: dict[str, Run] = {}
    for run in runs:
        earlier = first.setdefault(run.parent or run.name, run)
        if (earlier.file, earlier.document) != (run.file, run.document):
            there = diagnose(earlier, "SS108", "", ("metadata", "name"))
            line = there.span.line if there.span else 1
            message = f"run {run.parent or run.name!r} is already defined at {there.path}:{line}"
            yield diagnose(run, "SS108", message, ("metadata", "name"), hint="give it another name")


def missing(runs: list[Run], known: dict[str, Run]) -> Iterator[Diagnostic]:
    """Runs that others wait for, and that do not exist."""
    parents = {run.parent for run in runs}
    there = list(dict.fromkeys(run.name for run in runs))
    for run in runs:
        for path, name in _needs(run) if not known.keys() >= set(run.depends_on) else ():
            if name not in known and name not in parents:
                others = [other for other in there if other != run.name]
                hint = instead(name, others) if others else "this is the only run here"
                yield diagnose(run, "SS302", f"there is no run {name!r}", path, hint=hint)


def instead(name: str, there: list[str], lead: str = "runs here:") -> str:
    """The way out where a run is named that does not exist: what comes near, children of a matrix for one of them."""
    parent = name.partition("[")[0]
    siblings = [other for other in there if other.startswith(f"{parent}[")] if parent != name else []
    if parent != name and parent in there:
        return f"run {parent!r} has no matrix"
    meant = near(canonical(name), siblings) if siblings else near(name, there)
    if meant is not None:
        return f"did you mean {meant!r}?"
    found = siblings or there
    more = ", …" if len(found) > _MOST_LISTED else ""
    return f"{lead} {', '.join(found[:_MOST_LISTED])}{more}"


def circles(runs: list[Run], known: dict[str, Run]) -> Iterator[Diagnostic]:
    """Runs that wait for themselves, or for each other."""
    pending = [run for run in runs if known[run.name] is run]
    for run in pending:
        if run.name in run.depends_on:
            yield diagnose(run, "SS303", f"run {run.name!r} waits for itself", _place_of(run, run.name))
    pending = [run for run in pending if run.name not in run.depends_on]
    while (cycle := _cycle(pending)) is not None:
        run = known[cycle[0]]
        message = f"runs wait for each other: {' -> '.join(cycle)}"
        yield diagnose(run, "SS303", message, _place_of(run, cycle[1]), hint=_edges(cycle, known))
        pending = [run for run in pending if run.name not in cycle]


def _edges(cycle: list[str], known: dict[str, Run]) -> str:
    """Where each run of a circle says that it waits for the next."""
    lines = ["take one of these away:"]
    for name, other in pairwise(cycle):
        there = diagnose(known[name], "SS303", "", _place_of(known[name], other))
        lines.append(f"{there.path}:{there.span.line if there.span else 1}: {name} waits for {other}")
    return "\n".join(lines)


def _place_of(run: Run, needed: str) -> KeyPath:
    parent = needed.partition("[")[0]
    return next((path for path, name in _needs(run) if run.aliases.get(name, name) in (needed, parent)), ())


def _needs(run: Run) -> Iterator[tuple[KeyPath, str]]:
    """The runs it waits for, and where it says so."""
    run = whole(run)
    for index, name in enumerate(run.spec.get("dependsOn", ())):
        yield ("spec", "dependsOn", index), name
    for path, reference in references.find(run.spec):
        if reference.run is not None:
            yield ("spec", *path), reference.run


def _cycle(runs: list[Run]) -> list[str] | None:
    """Names of runs of which each waits for the next, and the last is the first."""
    try:
        order(runs)
    except CycleError as error:
        names = list(reversed(error.args[1][1:]))
        first = next(index for run in runs for index, name in enumerate(names) if run.name == name)
        return [*names[first:], *names[:first], names[first]]
    return None
