"""`spec.matrix`: the combinations it stands for, and the names of the runs they make. Pure; called by `runs`.

`include` and `exclude` mean what they mean in GitHub Actions' matrices, which most people know.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from synapse_spec.plugins.yaml import KeyPath

MOST = 256
_PLAIN = re.compile(r"[A-Za-z_][\w.+@-]*")
_CONSTANTS = frozenset({"true", "false", "null"})
# What would be taken for a part of the name, of a reference to it, or of the path of its log.
_APART = frozenset(",=[]{}$/\\ ")
_LONGEST = 40
# With the run's name and an ending, a label is a file's name, which has at most 255 bytes.
_LONGEST_LABEL = 150


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
    """The combinations in order: the first axis varies slowest, those that `include` adds come last.

    Args:
        matrix: Axes as lists of values, `include` and `exclude` as lists of mappings.

    Raises:
        MatrixError: Nothing is left, too many are, or an entry has no effect.
    """
    axes = {name: values for name, values in matrix.items() if name not in ("include", "exclude")}
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
    labels = [_label(values) for values in found]
    extended = [dict(values) for values in found]
    added: list[dict[str, Any]] = []
    for index, entry in enumerate(entries):
        fitting = [at for at, values in enumerate(found) if _agrees(entry, values, axes)]
        for at in fitting:
            extended[at] |= entry
        if not fitting:
            if _label(entry) in [_label(values) for values in added]:
                raise MatrixError("this combination is included already", ("include", index))
            added.append(entry)
    combinations = [Combination(values, label) for values, label in zip(extended, labels, strict=True)]
    return combinations + [Combination(dict(values), _label(values)) for values in added]


def _agrees(entry: dict[str, Any], values: dict[str, Any], names: Any) -> bool:
    """Whether an entry says of the axes in `names` what a combination says."""
    told = [name for name in entry if name in names]
    return all(name in values and shown(entry[name]) == shown(values[name]) for name in told)


def _label(values: dict[str, Any]) -> str:
    label = ",".join(f"{name}={shown(value)}" for name, value in values.items())
    return label if len(label.encode()) <= _LONGEST_LABEL else _digest(label)


def shown(value: Any) -> str:
    """A value as a child's name has it: as written where that is short and plain, else JSON, else a digest."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value not in _CONSTANTS and len(value) <= _LONGEST:
        return value
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= _LONGEST and not set(text) & _APART else _digest(text)


def _digest(text: str) -> str:
    return f"#{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def children(name: str, matrix: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and values of each child: `train[lr=0.1,size=s]`.

    Raises:
        MatrixError: As `expand`.
    """
    for combination in expand(matrix):
        yield f"{name}[{combination.label}]", combination.values
