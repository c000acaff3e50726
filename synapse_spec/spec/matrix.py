"""`spec.matrix`: the combinations it stands for, and the names of the runs they make. Pure; called by `runs`.

`include` and `exclude` mean what they mean in GitHub Actions' matrices, which most people know.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec.child_names import label, shown

MOST = 256
ENTRIES = ("include", "exclude")  # the keys of a matrix that are no axes


@dataclass(frozen=True, slots=True)
class Combination:
    """One child of a matrix.

    Attributes:
        values: What `${{ matrix.KEY }}` gives.
        label: What tells it from the others, `lr=0.1,size=s`: its axes, or all it has where `include` added it.
    """

    values: dict[str, Any]
    label: str


class MatrixError(ValueError):
    """The matrix cannot be expanded, or used; `path` is the place."""

    def __init__(self, message: str, path: KeyPath = (), hint: str | None = None, *, code: str = "SS101") -> None:
        super().__init__(message)
        self.path, self.hint, self.code = path, hint, code

    def below(self, place: KeyPath) -> "MatrixError":
        """The same, with the path from further up."""
        return MatrixError(str(self), (*place, *self.path), self.hint, code=self.code)


def expand(matrix: dict[str, Any]) -> list[Combination]:
    """The combinations in order: the first axis by name varies slowest, those that `include` adds come last.

    Args:
        matrix: Axes as lists of values, `include` and `exclude` as lists of mappings.

    Raises:
        MatrixError: Nothing is left, too many are, or an entry has no effect.
    """
    axes = _axes(matrix)
    count = math.prod(map(len, axes.values())) if axes else 0
    if count > MOST:
        said = f"{count:,}" if count < 10**12 else "far too many"
        raise MatrixError(f"{said} combinations; at most {MOST} are run", hint="use fewer values, or several runs")
    for name, values in axes.items():
        _refuse_twins(name, values)
    found = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())] if axes else []
    found = _without(found, matrix.get("exclude", []), axes)
    combinations = _with(found, matrix.get("include", []), axes)
    if not combinations:
        raise MatrixError("no combination is left")
    if len(combinations) > MOST:
        raise MatrixError(f"{len(combinations)} combinations; at most {MOST} are run", ("include",))
    return combinations


def _axes(matrix: dict[str, Any]) -> dict[str, list[Any]]:
    """Sorted, so that the order of keys in the file makes neither other names nor another order of results."""
    return {name: values for name, values in sorted(matrix.items()) if name not in ENTRIES}


def place_of(matrix: dict[str, Any], values: dict[str, Any], key: str) -> KeyPath:
    """Where a combination has its value of a key from: the axis, or else the last entry of `include` that gave it."""
    axes, wanted = _axes(matrix), shown(values[key])
    for index, value in enumerate(axes.get(key, ())):
        if shown(value) == wanted:
            return (key, index)
    for index, entry in reversed(list(enumerate(matrix.get("include", ())))):
        if key in entry and shown(entry[key]) == wanted and _agrees(entry, values, axes):
            return ("include", index, key)
    return ()


def _refuse_twins(name: str, values: list[Any]) -> None:
    seen: set[str] = set()
    for index, value in enumerate(values):
        text = shown(value)
        if text in seen:
            raise MatrixError(f"{text} is given twice", (name, index), "each value makes one run")
        seen.add(text)


def _without(found: list[dict[str, Any]], entries: list[dict[str, Any]], axes: dict[str, Any]) -> list[dict[str, Any]]:
    for index, entry in enumerate(entries):
        kept = [values for values in found if not _agrees(entry, values, entry)]
        if len(kept) == len(found):
            unknown = next((name for name in entry if name not in axes), None)
            place: KeyPath = ("exclude", index) if unknown is None else ("exclude", index, unknown)
            hint = f"the axes are {', '.join(axes)}" if unknown is not None else None
            raise MatrixError("this excludes no combination", place, hint)
        found = kept
    return found


def _with(found: list[dict[str, Any]], entries: list[dict[str, Any]], axes: dict[str, Any]) -> list[Combination]:
    """An entry adds its other keys to the combinations whose axes it agrees with, else it is a combination itself."""
    if len(entries) > 2 * MOST:  # most of which can be of no use
        raise MatrixError(f"{len(entries):,} entries; at most {2 * MOST} are taken", ("include",))
    labels = [label(values) for values in found]
    extended = [dict(values) for values in found]
    added: dict[str, dict[str, Any]] = {}
    for index, entry in enumerate(entries):
        fitting = [at for at, values in enumerate(found) if _agrees(entry, values, axes)]
        for at in fitting:
            extended[at] |= entry
        if not fitting:
            if label(entry) in added:
                raise MatrixError("this combination is included already", ("include", index))
            added[label(entry)] = entry
    combinations = [Combination(values, told) for values, told in zip(extended, labels, strict=True)]
    return combinations + [Combination(dict(values), told) for told, values in added.items()]


def _agrees(entry: dict[str, Any], values: dict[str, Any], names: Any) -> bool:
    """Whether an entry says of the axes in `names` what a combination says."""
    told = [name for name in entry if name in names]
    return all(name in values and shown(entry[name]) == shown(values[name]) for name in told)


def children(name: str, matrix: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and values of each child: `train[lr=0.1,size=s]`.

    Raises:
        MatrixError: As `expand`.
    """
    for combination in expand(matrix):
        yield f"{name}[{combination.label}]", combination.values
