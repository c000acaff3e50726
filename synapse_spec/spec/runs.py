"""Makes Runs of a document that fits the schema: one, or the children of its matrix. Pure; called by `load`."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from synapse_spec.plugins.enums import ExecutionMode
from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec import quantities, references
from synapse_spec.spec.child_names import Siblings
from synapse_spec.spec.matrix import MatrixError, children
from synapse_spec.spec.model import PluginRef, Resources, Retry, Run, Secret, SpecFile

# Asks for a run although nothing has changed, once for each new value.
REQUESTED = "synapse.dev/run-requested"
_MODES = {str(mode): mode for mode in ExecutionMode}
_MOST_VALUES = 100_000  # of all children of a matrix
_NO_RESOURCES, _NO_RETRY = Resources(), Retry()
_EVERYTHING = frozenset({"spec", "code", "inputs"})


def runs_of(file: SpecFile, index: int, document: dict[str, Any]) -> list[Run]:
    """The runs that a document stands for.

    Raises:
        MatrixError: Its matrix cannot be expanded, or a child lacks a value that is referred to.
    """
    matrix = document["spec"].get("matrix")
    if matrix is None:
        return [_run(file, index, document)]
    name = document["metadata"]["name"]
    try:
        named = list(children(name, matrix))
        _refuse_too_much(document["spec"], [values for _, values in named])
    except MatrixError as error:
        raise error.below(("spec", "matrix")) from None
    return [_child(file, index, document, child, values) for child, values in named]


def with_children(runs: Sequence[Run]) -> list[Run]:
    """The runs, each waiting for all children of a matrix where it names the run that has the matrix."""
    families = families_of(runs)
    if not families:
        return list(runs)

    def each(names: tuple[str, ...], aliases: dict[str, str]) -> tuple[str, ...]:
        found = [families[name].names if name in families else [aliases.get(name, name)] for name in names]
        return tuple(dict.fromkeys(chain.from_iterable(found)))

    def expanded(run: Run) -> Run:
        spelled = [name for name in run.depends_on if "[" in name]
        if not spelled and families.keys().isdisjoint(run.depends_on):
            return run
        aliases = {}
        for name in spelled:
            siblings = families.get(name.partition("[")[0])
            child = siblings and siblings.find(name)
            if child and child != name:
                aliases[name] = child
        depends_on, inputs = each(run.depends_on, aliases), each(run.inputs, aliases)
        gathers = {name: tuple(families[name].names) for name in run.inputs if name in families}
        return replace(run, depends_on=depends_on, inputs=inputs, gathers=gathers, aliases=aliases)

    return [expanded(run) for run in runs]


def families_of(runs: Iterable[Run]) -> dict[str, Siblings]:
    """The children of each run that has a matrix."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for run in runs:
        if run.parent is not None:
            found.setdefault(run.parent, {})[run.name] = run.matrix
    return {parent: Siblings(children) for parent, children in found.items()}


def meant(name: str, runs: Sequence[Run]) -> list[Run]:
    """The runs that a name means: all children of a run with a matrix, or one run; a child in any spelling."""
    found = [run for run in runs if name in (run.name, run.parent)]
    if found or "[" not in name:
        return found
    parent = name.partition("[")[0]
    siblings = [run for run in runs if run.parent == parent]
    child = Siblings({run.name: run.matrix for run in siblings}).find(name)
    return [run for run in siblings if run.name == child]


def _refuse_too_much(spec: dict[str, Any], combinations: list[dict[str, Any]]) -> None:
    """Each child has its own params and env, with the values of the matrix wherever they are referred to."""
    parts = [spec[key] for key in ("params", "env") if key in spec]
    own, used = _size(parts), sum(reference.of_matrix for _, reference in references.find(parts))
    size = sum(own + used * _size(values) for values in combinations)
    if size > _MOST_VALUES:
        message = f"all combinations together have more than {_MOST_VALUES:,} values"
        raise MatrixError(message, hint="put large data into a file of its own, and give its path")


def _size(value: Any) -> int:
    """How many values it holds; 1,000 characters are one more."""
    pending, size = [value], 0
    while pending:
        item = pending.pop()
        size += 1 + (len(item) // 1000 if isinstance(item, str) else 0)
        pending.extend(item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
    return size


def _child(file: SpecFile, index: int, document: dict[str, Any], name: str, values: dict[str, Any]) -> Run:
    spec = document["spec"]
    filled = {key: _filled(spec[key], values, name, ("spec", key)) for key in ("params", "env") if key in spec}
    metadata = document["metadata"] | {"name": name}
    return replace(
        _run(file, index, document | {"metadata": metadata, "spec": spec | filled}),
        parent=document["metadata"]["name"],
        matrix=values,
        template=spec,
        max_parallel=spec.get("maxParallel"),
        fail_fast=spec.get("failFast", False),
    )


def _filled(part: Any, values: dict[str, Any], name: str, place: KeyPath) -> Any:
    """A part of the spec with the values of the matrix in it; other references stay."""
    for path, reference in references.find(part):
        if reference.of_matrix:
            try:
                references.dig(values, reference.parts[1:])
            except LookupError as error:
                message = f"'{reference}': the matrix of {name} {error}"
                raise MatrixError(message, (*place, *path), code="SS302") from None

    def look_up(reference: references.Reference) -> Any:
        return references.dig(values, reference.parts[1:]) if reference.of_matrix else str(reference)

    return references.resolve(part, look_up)


def _run(file: SpecFile, index: int, document: dict[str, Any]) -> Run:
    spec, metadata = document["spec"], document["metadata"]
    inputs = _inputs(spec) if file.refers else ()
    return Run(
        name=metadata["name"],
        file=file,
        document=index,
        spec=spec,
        plugin=_plugin_ref(os.path.dirname(file.path), **spec["plugin"]),
        action=spec["action"],
        mode=_MODES[spec.get("mode", "local")],
        params=spec.get("params", {}),
        depends_on=tuple(dict.fromkeys((*spec["dependsOn"], *inputs))) if "dependsOn" in spec else inputs,
        inputs=inputs,
        env={name: _env_value(value) for name, value in spec["env"].items()} if "env" in spec else {},
        resources=_resources(spec["resources"]) if "resources" in spec else _NO_RESOURCES,
        runtime_env=spec.get("runtimeEnv", {}),
        timeout=quantities.seconds(spec["timeout"]) if "timeout" in spec else None,
        pending_timeout=quantities.seconds(spec["pendingTimeout"]) if "pendingTimeout" in spec else None,
        retry=_retry(spec["retry"]) if "retry" in spec else _NO_RETRY,
        suspend=spec.get("suspend", False),
        rerun_on=frozenset(spec["rerunOn"]) if "rerunOn" in spec else _EVERYTHING,
        labels=metadata.get("labels", {}),
        requested=metadata.get("annotations", {}).get(REQUESTED),
        cluster=spec.get("cluster"),
    )


def _inputs(spec: dict[str, Any]) -> tuple[str, ...]:
    """The runs that it refers to."""
    named = (reference.run for _, reference in references.find(spec))
    return tuple(dict.fromkeys(name for name in named if name is not None))


@lru_cache(maxsize=256)
def _plugin_ref(folder: str, path: str | None = None, module: str | None = None) -> PluginRef:
    return _one_ref(os.path.normpath(os.path.join(folder, path)) if path is not None else None, module)


@lru_cache(maxsize=256)
def _one_ref(path: str | None, module: str | None) -> PluginRef:
    """The same object for the same plugin, however specs name it: it is looked up by it, several times a run."""
    return PluginRef(Path(path) if path is not None else None, module)


def _env_value(value: Any) -> str | Secret:
    if isinstance(value, dict):
        return Secret(value.get("fromEnv"), value.get("fromFile"))
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _resources(spec: dict[str, Any]) -> Resources:
    memory = quantities.size_bytes(spec["memory"]) if "memory" in spec else None
    return Resources(spec.get("cpus"), spec.get("gpus"), memory, spec.get("custom", {}))


def _retry(spec: dict[str, Any]) -> Retry:
    names = {"limit": "limit", "backoff": "backoff", "factor": "factor", "maxBackoff": "max_backoff"}
    times = {"backoff", "maxBackoff"}
    values: dict[str, Any] = {
        names[key]: quantities.seconds(value) if key in times else value for key, value in spec.items() if key in names
    }
    return Retry(**values, on=frozenset(spec["on"]) if "on" in spec else None)
