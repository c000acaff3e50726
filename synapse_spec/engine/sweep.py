"""The stored form of a matrix run: one document, with what became of its children in it. Pure; used by the store.

Elsewhere each child is a run of its own, named `train[lr=0.1]`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from synapse_spec.engine.status import (
    BLOCKED,
    CANCELLED,
    FAILED,
    PENDING,
    RUNNING,
    SUCCEEDED,
    SUSPENDED,
    document_of,
)

type Turned = tuple[str, str | None]

_MOST_TOLD = 3
# The phase of the whole is the first of these that a child has.
_WEIGHT = (RUNNING, FAILED, CANCELLED, BLOCKED, SUSPENDED, PENDING, SUCCEEDED)


def parent_of(name: str) -> str | None:
    """The run with the matrix, of a child's name."""
    parent, bracket, _ = name.partition("[")
    return parent if bracket else None


def groups(documents: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The documents that are stored as one: children with their siblings, where the first of them is."""
    found: dict[tuple[str, bool], list[dict[str, Any]]] = {}
    for document in documents:
        name = document["metadata"]["name"]
        parent = parent_of(name)
        found.setdefault((parent or name, parent is not None), []).append(document)
    return list(found.values())


def stored(
    group: list[dict[str, Any]], current: Collection[str] = (), before: Mapping[str, Turned] | None = None
) -> dict[str, Any]:
    """The one document that a group is stored as.

    Args:
        group: A run, or children of a matrix.
        current: Names of the children that make up the whole; others are kept beside them.
        before: What `turned` gave of the documents that this one replaces.
    """
    parent = parent_of(group[0]["metadata"]["name"])
    if parent is None:
        return group[0]
    there = [child for child in group if child["metadata"]["name"] in current] or group
    return _whole(parent, group, there, (before or {}).get(parent))


def turned(documents: Iterable[dict[str, Any]]) -> dict[str, Turned]:
    """The phase of each matrix run, and since when it has it, which its children do not tell."""
    statuses = {item["metadata"]["name"]: item["status"] for item in documents if "children" in item["status"]}
    return {
        name: (status["phase"], status["conditions"][0].get("lastTransitionTime"))
        for name, status in statuses.items()
        if status.get("conditions")
    }


def phase_of(phases: Collection[str]) -> str:
    """The phase of a whole whose parts have these."""
    return next(item for item in _WEIGHT if item in phases)


def counted_by(phases: list[str]) -> str:
    """`2 Succeeded, 1 Failed`."""
    return ", ".join(f"{phases.count(item)} {item}" for item in dict.fromkeys(phases))


def summed_up(names: Iterable[str]) -> str:
    """Names for people: `prepare, train (12 children)`."""
    families: dict[str, list[str]] = {}
    for name in names:
        families.setdefault(parent_of(name) or name, []).append(name)
    told = [
        f"{family} ({len(members)} children)" if len(members) > _MOST_TOLD else ", ".join(members)
        for family, members in families.items()
    ]
    return ", ".join(told)


def remains(orphans: Mapping[str, Iterable[str]], current: Iterable[str], lost: Collection[str] = ()) -> Iterator[str]:
    """What status files still hold of runs that are not there any more, and why, for people.

    Args:
        orphans: Names of such runs by the status file.
        current: Names of the runs that there are.
        lost: Status files whose spec file is gone.
    """
    there = set(current)
    families = {parent_of(name) for name in there}
    for file, names in orphans.items():
        if file in lost:
            yield f"{file} still has {summed_up(names)}, but its spec file is gone"
            continue
        found: dict[str, list[str]] = {}
        for name in names:
            found.setdefault(_why_gone(name, there, families), []).append(name)
        for why, gone in found.items():
            yield f"{file} still has {summed_up(gone)}, {why}"


def _why_gone(name: str, there: set[str], families: set[str | None]) -> str:
    if name in families:
        return "whose run has a matrix now"
    if parent_of(name) in there:
        return "whose run has no matrix any more"
    return "whose values are gone from the matrix" if parent_of(name) in families - {None} else "whose run is gone"


def scattered(documents: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The documents of single runs, children as if they stood alone."""
    for document in documents:
        children = document["status"].get("children")
        if children is None:
            yield document
        else:
            for child in children:
                status = {key: value for key, value in child.items() if key != "name"}
                yield document_of(child["name"], status)


def _whole(
    name: str, children: list[dict[str, Any]], current: list[dict[str, Any]], before: Turned | None
) -> dict[str, Any]:
    """The document of a matrix run: its phase follows from that of its children but those that are gone."""
    statuses = [child["status"] for child in current]
    phases = [status["phase"] for status in statuses]
    phase = phase_of(phases)
    decisive = [status for status in statuses if status["phase"] == phase]
    counted = counted_by(phases).lower()
    times = [time for status in statuses if (time := status["conditions"][0]["lastTransitionTime"])]
    since = before[1] if before is not None and before[0] == phase else max(times, default=None)
    condition = decisive[0]["conditions"][0] | {"lastTransitionTime": since}
    whole = {
        "phase": phase,
        "reason": decisive[0]["reason"],
        "message": f"{len(current)} {'child' if len(current) == 1 else 'children'}: {counted}",
        "conditions": [condition],
        "children": [{"name": child["metadata"]["name"], **child["status"]} for child in children],
    }
    return document_of(name, whole)
