"""Where a wrong value of a matrix is written, and what of a matrix is without effect. Pure; called by `validate`."""

from collections.abc import Iterable, Iterator
from typing import Any

from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec import references
from synapse_spec.spec.diagnostics import Diagnostic
from synapse_spec.spec.load import diagnose
from synapse_spec.spec.matrix import ENTRIES, place_of
from synapse_spec.spec.model import Run


def written_at(run: Run, path: KeyPath) -> KeyPath:
    """The key path at which the value at `path` is written: in the matrix, where `${{ matrix.KEY }}` stands for it."""
    node: Any = {"spec": run.template}
    for depth, part in enumerate(path, 1):
        try:
            node = references.dig(node, (part,))
        except LookupError:
            return path
        if isinstance(node, str) and references.is_whole(node):
            _, reference = next(references.find(node))
            if not reference.of_matrix:
                return path
            key, *inner = reference.parts[1:]
            return ("spec", "matrix", *place_of(run.template["matrix"], run.matrix, str(key)), *inner, *path[depth:])
    return path


def without_effect(runs: Iterable[Run]) -> Iterator[Diagnostic]:
    """Warnings: keys of a matrix that nothing refers to, and fields that are for a matrix where there is none."""
    seen: set[str] = set()
    for run in runs:
        if run.parent is None:
            for name in ("maxParallel", "failFast"):
                if name in run.spec:
                    message = f"'{name}' is without effect: the run has no matrix"
                    yield diagnose(run, "SS112", message, ("spec", name), on_key=True, severity="warning")
        elif run.parent not in seen:
            seen.add(run.parent)
            yield from _unused(run)


def _unused(run: Run) -> Iterator[Diagnostic]:
    spec = run.template
    found = references.find({key: spec[key] for key in ("params", "env") if key in spec})
    used = {reference.parts[1] for _, reference in found if reference.of_matrix}
    matrix = spec["matrix"]
    places: dict[KeyPath, str] = {(name,): name for name in matrix if name not in ENTRIES}
    places |= {("include", at, name): name for at, entry in enumerate(matrix.get("include", [])) for name in entry}
    told: set[str] = set()
    for path, name in places.items():
        if name not in used and name not in told:
            told.add(name)
            message = f"no param and no env uses '{name}' of the matrix: runs that differ in it alone compute the same"
            hint = f"refer to it as ${{{{ matrix.{name} }}}}"
            yield diagnose(run, "SS111", message, ("spec", "matrix", *path), hint=hint, on_key=True, severity="warning")
