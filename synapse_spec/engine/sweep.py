"""The stored form of a matrix run: one document, with what became of its children in it. Pure; used by the store.

Elsewhere each child is a run of its own, named `train[lr=0.1]`.
"""

from collections.abc import Collection, Iterable, Iterator
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


def stored(group: list[dict[str, Any]], current: Collection[str] = ()) -> dict[str, Any]:
    """The one document that a group is stored as; of children, those that are `current` make up the whole."""
    parent = parent_of(group[0]["metadata"]["name"])
    if parent is None:
        return group[0]
    return _whole(parent, group, [child for child in group if child["metadata"]["name"] in current] or group)


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


def _whole(name: str, children: list[dict[str, Any]], current: list[dict[str, Any]]) -> dict[str, Any]:
    """The document of a matrix run: its phase follows from that of its children but those that are gone."""
    statuses = [child["status"] for child in current]
    phases = [status["phase"] for status in statuses]
    phase = next(item for item in _WEIGHT if item in phases)
    decisive = [status for status in statuses if status["phase"] == phase]
    counted = ", ".join(f"{phases.count(item)} {item.lower()}" for item in dict.fromkeys(phases))
    times = [time for status in decisive if (time := status["conditions"][0]["lastTransitionTime"])]
    condition = decisive[0]["conditions"][0] | {"lastTransitionTime": max(times, default=None)}
    whole = {
        "phase": phase,
        "reason": decisive[0]["reason"],
        "message": f"{len(current)} {'child' if len(current) == 1 else 'children'}: {counted}",
        "conditions": [condition],
        "children": [{"name": child["metadata"]["name"], **child["status"]} for child in children],
    }
    return document_of(name, whole)
