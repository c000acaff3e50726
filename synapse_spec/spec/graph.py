"""The runs as a graph: who waits for whom, in which order they go, and what is wrong with that. Pure.

Called by `validate`, and by the engine for the order.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec import references
from synapse_spec.spec.diagnostics import Diagnostic
from synapse_spec.spec.load import diagnose, whole
from synapse_spec.spec.model import Run

_MOST_LISTED = 10


def order(runs: list[Run]) -> list[str]:
    """Names of runs, dependencies first, otherwise as written.

    Raises:
        graphlib.CycleError: They depend on each other in a circle.
    """
    names = {run.name for run in runs}
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


def dependencies(runs: list[Run], known: dict[str, Run], *, hidden: bool) -> Iterator[Diagnostic]:
    """Unknown runs and cycles; a missing run may be one of those that are `hidden` behind other errors."""
    parents = {run.parent for run in runs}
    for run in [] if hidden else runs:
        for path, name in _needs(run) if not known.keys() >= set(run.depends_on) else ():
            if name not in known and name not in parents:
                near = get_close_matches(name, known, 1)
                others = list(dict.fromkeys(other.name for other in runs if other.name != run.name))
                more = ", …" if len(others) > _MOST_LISTED else ""
                hint = f"runs here: {', '.join(others[:_MOST_LISTED])}{more}" if others else "this is the only run here"
                hint = f"did you mean {near[0]!r}?" if near else hint
                yield diagnose(run, "SS302", f"there is no run {name!r}", path, hint=hint)
    pending = [run for run in runs if known[run.name] is run]
    while (cycle := _cycle(pending)) is not None:
        run, waits_for = known[cycle[0]], cycle[1]
        place = _place_of(run, waits_for)
        if run.name == waits_for:
            yield diagnose(run, "SS303", f"run {run.name!r} waits for itself", place)
        else:
            message = f"runs wait for each other: {' -> '.join(cycle)}"
            yield diagnose(run, "SS303", message, place, hint=_edges(cycle, known))
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
    return next((path for path, name in _needs(run) if name in (needed, parent)), ())


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
