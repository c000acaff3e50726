"""Checks runs against each other and against what their plugins offer; collects every problem.

Used by `validate`, `plan` and `apply`, each of which goes no further when there is an error.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from typing import Any

from synapse_spec.plugins.errors import (
    ActionNotFoundError,
    PluginConfigError,
    PluginError,
    PluginLoadError,
    PluginNotFoundError,
    ValidationError,
)
from synapse_spec.plugins.yaml import KeyPath, Span
from synapse_spec.spec import references
from synapse_spec.spec.catalog import ActionFacts, Catalog, SchemasNotFresh
from synapse_spec.spec.check import Checker, Problem
from synapse_spec.spec.diagnostics import Diagnostic
from synapse_spec.spec.load import Loaded, diagnose
from synapse_spec.spec.model import PluginRef, Run

_PARAM_CODES = {"value": "SS106", "missing": "SS105", "unknown": "SS104"}


def validate(loaded: Loaded, catalog: Catalog) -> list[Diagnostic]:
    """All problems of what was loaded, in order of place; those of loading included."""
    checkers: dict[tuple[PluginRef, str], Checker] = {}
    found = [*loaded.diagnostics, *_names(loaded.runs)]
    runs = {run.name: run for run in reversed(loaded.runs)}
    found += _dependencies(loaded.runs, runs, partial=bool(loaded.broken))
    for run in loaded.runs:
        found += _against_plugin(run, runs, catalog, checkers)
    return sorted(set(found), key=lambda item: item.order)


def order(runs: list[Run]) -> list[str]:
    """Names of runs, dependencies first, otherwise as written.

    Raises:
        graphlib.CycleError: They depend on each other in a circle.
    """
    names = {run.name for run in runs}
    sorter = TopologicalSorter({run.name: [name for name in run.depends_on if name in names] for run in runs})
    return list(sorter.static_order())


def check_model(run: Run, catalog: Catalog) -> list[Diagnostic]:
    """What the params model itself says, where no reference is open; imports the plugin's code."""
    from synapse_spec.plugins.execution import check_params, load_action

    if any(references.find(run.params)):
        return []
    plugin = catalog.plugin(run.plugin)
    try:
        check_params(load_action(plugin.source, catalog.action(run.plugin, run.action).entrypoint), run.params)
    except ValidationError as error:
        problems = error.details or [{"loc": [], "message": error.message}]
        return [diagnose(run, "SS107", _model_words(item), ("spec", "params", *item["loc"])) for item in problems]
    except PluginError as error:
        return [_plugin_problem(run, error)]
    return []


def _model_words(item: dict[str, Any]) -> str:
    place = ".".join(map(str, item["loc"]))
    return f"{place}: {item['message']}" if place else str(item["message"])


def _names(runs: list[Run]) -> Iterator[Diagnostic]:
    first: dict[str, Run] = {}
    for run in runs:
        earlier = first.setdefault(run.name, run)
        if earlier is not run:
            there = diagnose(earlier, "SS108", "", ("metadata", "name"))
            line = there.span.line if there.span else 1
            message = f"run {run.name!r} is already defined at {there.path}:{line}"
            yield diagnose(run, "SS108", message, ("metadata", "name"))


def _dependencies(runs: list[Run], known: dict[str, Run], *, partial: bool) -> Iterator[Diagnostic]:
    """Unknown runs and cycles; with `partial` (a file did not load) a missing run may stand in that file."""
    for run in runs:
        places = [(("dependsOn", i), name) for i, name in enumerate(run.spec.get("dependsOn", ()))]
        places += [(path, ref.run) for path, ref in references.find(run.spec) if ref.run is not None]
        for path, name in places:
            if name not in known and not partial:
                near = get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"runs here: {', '.join(known)}"
                yield diagnose(run, "SS302", f"there is no run {name!r}", ("spec", *path), hint=hint)
    try:
        order(runs)
    except CycleError as error:
        names = list(reversed(error.args[1]))
        yield diagnose(
            known[names[0]], "SS303", f"runs wait for each other: {' -> '.join(names)}", ("metadata", "name")
        )


def _against_plugin(
    run: Run, runs: dict[str, Run], catalog: Catalog, checkers: dict[tuple[PluginRef, str], Checker]
) -> Iterator[Diagnostic]:
    try:
        facts = catalog.action(run.plugin, run.action)
    except PluginError as error:
        yield _plugin_problem(run, error)
        return
    key = (run.plugin, run.action)
    if key not in checkers:
        checkers[key] = Checker(facts.params)
    label = f"{catalog.plugin(run.plugin).code}:{run.action}"
    for problem in checkers[key].problems(run.params):
        yield _param_problem(run, problem, label)
    for path, reference in references.find(run.params):
        if reference.run in runs:
            yield from _typed(run, path, reference, facts, _facts_of(runs[str(reference.run)], catalog))


def _param_problem(run: Run, problem: Problem, label: str) -> Diagnostic:
    place = ".".join(map(str, problem.path[:-1] if problem.on_key else problem.path))
    inside = f" in {place}" if place else ""
    words = {
        "unknown": f"unknown param {problem.message}{inside} for {label}",
        "missing": f"param {problem.message.removesuffix(' is required')}{inside} of {label} is required",
    }
    message = words.get(problem.kind) or f"{place or 'params'}: {problem.message}"
    path = ("spec", "params", *problem.path) if problem.path or "params" in run.spec else ("spec",)
    return diagnose(run, _PARAM_CODES[problem.kind], message, path, hint=problem.hint, on_key=problem.on_key)


def _plugin_problem(run: Run, error: PluginError) -> Diagnostic:
    details = error.details if isinstance(error.details, dict) else {}
    match error:
        case ActionNotFoundError():
            near = get_close_matches(run.action, error.details or [], 1)
            hint = f"did you mean {near[0]!r}?" if near else None
            return diagnose(run, "SS203", error.message, ("spec", "action"), hint=hint)
        case PluginConfigError():
            line, column = details.get("line", 1), details.get("column", 1)
            return Diagnostic("SS202", error.message, details["path"], Span(line, column, line, column + 1))
        case PluginNotFoundError():
            return diagnose(run, "SS201", error.message, ("spec", "plugin"))
        case PluginLoadError():
            hint = None
            if details.get("missing"):
                hint = f"install {details['missing']!r} where synapse runs, or export the schemas where it is installed"
            return diagnose(run, "SS204", error.message, ("spec", "action"), hint=hint)
        case SchemasNotFresh():
            return diagnose(run, "SS205", error.message, ("spec", "action"))
    raise error


def _facts_of(run: Run, catalog: Catalog) -> ActionFacts | None:
    try:
        return catalog.action(run.plugin, run.action)
    except PluginError:  # said where that run is checked
        return None


def _typed(
    run: Run, path: KeyPath, reference: references.Reference, here: ActionFacts, there: ActionFacts | None
) -> Iterator[Diagnostic]:
    """Whether the upstream result has what is referred to, and whether its type fits the param."""
    if there is None or there.result is None:
        return
    source, missing = _follow(there.result, reference.parts[3:])
    if missing is not None:
        message = f"the result of run {reference.run!r} has no {missing!r}"
        known = ", ".join(there.result.get("properties", {}))
        yield diagnose(run, "SS304", message, ("spec", "params", *path), hint=f"it has {known}" if known else None)
        return
    value: Any = run.params
    for part in path:
        value = value[part]
    target, _ = _follow(here.params, path)
    given, taken = _types(source), _types(target)
    if references.is_whole(value) and given and taken and not given & taken:
        message = f"{reference.text} is {' or '.join(sorted(given))}; {path[-1]} takes {' or '.join(sorted(taken))}"
        yield diagnose(run, "SS304", message, ("spec", "params", *path))


def _follow(schema: dict[str, Any], path: KeyPath) -> tuple[Any, Any]:
    """The schema at `path`, and the first part of the path that cannot exist, if one cannot; None where nothing is known."""
    node: Any = schema
    for part in path:
        node = _target(schema, node)
        if not isinstance(node, dict):
            return None, None
        if isinstance(part, int):
            node = node.get("items")
        elif part in node.get("properties", {}):
            node = node["properties"][part]
        elif "properties" in node and node.get("additionalProperties", False) is False and "anyOf" not in node:
            return None, part
        else:
            node = node.get("additionalProperties")
    return _target(schema, node), None


def _target(schema: dict[str, Any], node: Any) -> Any:
    while isinstance(node, dict) and isinstance(node.get("$ref"), str) and node["$ref"].startswith("#/$defs/"):
        node = schema.get("$defs", {}).get(node["$ref"].removeprefix("#/$defs/"))
    return node


def _types(node: Any) -> set[str]:
    """The JSON types a schema allows; empty where nothing is said."""
    if not isinstance(node, dict):
        return set()
    if "anyOf" in node:
        parts = [_types(item) for item in node["anyOf"]]
        return set().union(*parts) if all(parts) else set()
    kinds = node.get("type")
    found = {kinds} if isinstance(kinds, str) else set(kinds or ())
    return found | ({"integer"} if "number" in found else set())
