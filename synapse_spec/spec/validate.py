"""Checks runs against each other and against what their plugins offer; collects every problem.

Used by `validate`, `plan` and `apply`, each of which goes no further when there is an error.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from typing import Any

from synapse_spec.plugins.errors import PluginError, ValidationError
from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec import references
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.check import Checker, Problem, dotted
from synapse_spec.spec.diagnostics import Diagnostic
from synapse_spec.spec.load import Loaded, diagnose
from synapse_spec.spec.model import PluginRef, Run

_PARAM_CODES = {"value": "SS106", "missing": "SS105", "unknown": "SS104"}


def validate(loaded: Loaded, catalog: Catalog, *, models: bool = False) -> list[Diagnostic]:
    """All problems of what was loaded, in order of place; those of loading included.

    Args:
        loaded: What `load` gave.
        catalog: Looks the plugins up.
        models: Ask the params models too, which imports the plugins' code.
    """
    checkers: dict[tuple[PluginRef, str], Checker] = {}
    runs = {run.name: run for run in reversed(loaded.runs)}
    found = [*loaded.diagnostics, *_names(loaded.runs)]
    found += _dependencies(loaded.runs, runs, hidden=loaded.hidden)
    for run in loaded.runs:
        here = list(_against_plugin(run, catalog, checkers))
        if any(references.find(run.spec)):
            here += _references(run, runs, catalog)
        if models and not here:
            # Where the code does not load, its schema is known all the same, or that would have been said.
            here = [item for item in check_model(run, catalog) if item.code == "SS107"]
        found += here
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
    place = dotted(item["loc"])
    message = str(item["message"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return f"{place}: {message}" if place else message


def _names(runs: list[Run]) -> Iterator[Diagnostic]:
    first: dict[str, Run] = {}
    for run in runs:
        earlier = first.setdefault(run.name, run)
        if earlier is not run:
            there = diagnose(earlier, "SS108", "", ("metadata", "name"))
            line = there.span.line if there.span else 1
            message = f"run {run.name!r} is already defined at {there.path}:{line}"
            yield diagnose(run, "SS108", message, ("metadata", "name"), hint="give it another name")


def _dependencies(runs: list[Run], known: dict[str, Run], *, hidden: bool) -> Iterator[Diagnostic]:
    """Unknown runs and cycles; a missing run may be one of those that are `hidden` behind other errors."""
    for run in runs:
        for path, name in _needs(run):
            if name not in known and not hidden:
                near = get_close_matches(name, known, 1)
                others = [other for other in known if other != run.name]
                hint = f"runs here: {', '.join(others)}" if others else "this is the only run here"
                hint = f"did you mean {near[0]!r}?" if near else hint
                yield diagnose(run, "SS302", f"there is no run {name!r}", path, hint=hint)
    pending = [run for run in runs if known[run.name] is run]
    while (cycle := _cycle(pending)) is not None:
        run, waits_for = known[cycle[0]], cycle[1]
        place = next(path for path, name in _needs(run) if name == waits_for)
        message = f"runs wait for each other: {' -> '.join(cycle)}"
        if run.name == waits_for:
            message = f"run {run.name!r} waits for itself"
        yield diagnose(run, "SS303", message, place)
        pending = [run for run in pending if run.name not in cycle]


def _needs(run: Run) -> Iterator[tuple[KeyPath, str]]:
    """The runs it waits for, and where it says so."""
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


def _against_plugin(run: Run, catalog: Catalog, checkers: dict[tuple[PluginRef, str], Checker]) -> Iterator[Diagnostic]:
    try:
        facts = catalog.action(run.plugin, run.action)
    except PluginError as error:
        yield _plugin_problem(run, error)
        return
    key, label = (run.plugin, run.action), f"{catalog.plugin(run.plugin).code}:{run.action}"
    try:
        if key not in checkers:
            checkers[key] = Checker(facts.params)
    except ValueError as error:
        message = f"the params model of {label} gives no valid JSON Schema: {str(error).splitlines()[0]}"
        yield diagnose(run, "SS204", message, ("spec", "action"))
        return
    for problem in checkers[key].problems(run.params):
        yield _param_problem(run, problem, label)


def _param_problem(run: Run, problem: Problem, label: str) -> Diagnostic:
    place = dotted(problem.path[:-1] if problem.on_key else problem.path)
    inside = f" in {place}" if place else ""
    messages = {
        "unknown": f"unknown param {problem.text!r}{inside} for {label}",
        "missing": f"param {problem.text!r}{inside} of {label} is required",
        "value": f"{place or 'params'}: {problem.text}",
    }
    path = ("spec", "params", *problem.path) if problem.path or "params" in run.spec else ("spec",)
    code, message = _PARAM_CODES[problem.kind], messages[problem.kind]
    return diagnose(run, code, message, path, hint=problem.hint, on_key=problem.on_key)


def _references(run: Run, runs: dict[str, Run], catalog: Catalog) -> Iterator[Diagnostic]:
    from synapse_spec.spec import reference_checks

    yield from reference_checks.form(run)
    try:
        facts = catalog.action(run.plugin, run.action)
    except PluginError:  # said already
        return
    yield from reference_checks.fit(run, facts.params, lambda name: _result_schema(runs.get(name), catalog))


def _plugin_problem(run: Run, error: PluginError) -> Diagnostic:
    from synapse_spec.spec.plugin_checks import plugin_problem

    return plugin_problem(run, error)


def _result_schema(run: Run | None, catalog: Catalog) -> dict[str, Any] | None:
    try:
        return catalog.action(run.plugin, run.action).result if run is not None else None
    except PluginError:  # said where that run is checked
        return None
