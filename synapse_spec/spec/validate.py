"""Checks runs against each other and against what their plugins offer; collects every problem.

Used by `validate`, `plan` and `apply`, each of which goes no further when there is an error.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from synapse_spec.plugins.enums import ExecutionMode
from synapse_spec.plugins.errors import PluginError, ValidationError
from synapse_spec.spec import graph, matrix_checks, references, yaml11
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.check import MOST_PROBLEMS, Checker, Problem, dotted
from synapse_spec.spec.diagnostics import Diagnostic, at_most
from synapse_spec.spec.facts import PluginFacts
from synapse_spec.spec.load import Loaded, diagnose, load_each, slim, whole
from synapse_spec.spec.model import PluginRef, Run, SpecFile
from synapse_spec.spec.paths import first_file
from synapse_spec.spec.runs import with_children
from synapse_spec.spec.workspace import Workspace

_MOST = 500  # of one file
_MOST_CIRCLES = 10  # each takes a search of its own
_PARAM_CODES = {"value": "SS106", "missing": "SS105", "unknown": "SS104"}


def validate(loaded: Loaded, catalog: Catalog, *, models: bool = False) -> list[Diagnostic]:
    """All problems of what was loaded, in order of place; those of loading included.

    Args:
        loaded: What `load` gave.
        catalog: Looks the plugins up.
        models: Ask the params models too, where their schemas do not say all; this imports the plugins' code.
    """
    checks = _Checks(catalog, models=models)
    checks.add(loaded)
    return checks.finish()


def _each_once(found: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """Without what is said again of the same place: an alias has its anchor's, and children of a matrix their run's."""
    seen: set[tuple[Any, ...]] = set()
    for item in found:
        said = item.message.partition(": ")[2] or item.message
        key = (item.path, item.span, item.code, said, item.pointer if item.span is None else None)
        if key not in seen:
            seen.add(key)
            yield item


@dataclass(frozen=True, slots=True)
class Checked:
    """What `validate_files` has found.

    Attributes:
        diagnostics: All problems, in order of place.
        files: Those that could be read as YAML.
        runs: How many there are.
    """

    diagnostics: list[Diagnostic]
    files: list[SpecFile]
    runs: int


def validate_files(paths: Sequence[str], *, offline: bool = False) -> Checked:
    """Load and validate the specs at `paths` file by file, and keep of each only what the others are checked with.

    Args:
        paths: As `load` takes them.
        offline: Never import a plugin's code; else params models are asked too whose schemas do not say all.
    """
    root = Workspace.of(first_file(paths) or Path.cwd()).root
    checks = _Checks(Catalog(root, offline=offline), models=not offline)
    files: list[SpecFile] = []
    for loaded in load_each(paths):
        checks.add(loaded, kept=slim)
        files += loaded.files
    return Checked(checks.finish(), files, len(checks.runs))


class _Checks:
    """Holds runs against their plugins as they come, and against each other when all are there."""

    def __init__(self, catalog: Catalog, *, models: bool) -> None:
        self.runs: list[Run] = []
        self._catalog = catalog
        self._models = models
        self._found: list[Diagnostic] = []
        self._hidden = False
        self._checkers: dict[tuple[PluginRef, str], Checker] = {}
        self._actions: dict[tuple[PluginRef, str], Any] = {}

    def add(self, loaded: Loaded, kept: Callable[[Run], Run] = lambda run: run) -> None:
        self._hidden |= loaded.hidden
        self._found += loaded.diagnostics
        self.runs += map(kept, loaded.runs)
        alone = _each_once(chain.from_iterable(map(self._alone, loaded.runs)))
        self._found += at_most(max(1, _MOST - len(loaded.diagnostics)), alone)
        self._found += at_most(MOST_PROBLEMS, matrix_checks.without_effect(loaded.runs))

    def finish(self) -> list[Diagnostic]:
        self.runs = with_children(self.runs)
        known = {run.name: run for run in reversed(self.runs)}
        known |= {alias: known[name] for run in self.runs for alias, name in run.aliases.items()}
        children: dict[str, list[Run]] = {}
        for run in self.runs:
            if run.parent is not None:
                children.setdefault(run.parent, []).append(run)
        found = [*self._found, *self._catalog.diagnostics, *at_most(MOST_PROBLEMS, graph.names(self.runs))]
        if not self._hidden:
            found += at_most(MOST_PROBLEMS, graph.missing(self.runs, known))
        found += at_most(_MOST_CIRCLES, graph.circles(self.runs, known))
        for run in self.runs:
            if run.inputs and len(found) <= _MOST:
                found += at_most(MOST_PROBLEMS, _references(whole(run), known, children, self._catalog))
        return list(_each_once(sorted(set(found), key=lambda item: item.order)))

    def _alone(self, run: Run) -> list[Diagnostic]:
        """What can be said without the other runs."""
        here = list(_unknown_cluster(run, self._catalog))
        if not self._models and self._is_known(run):
            return here
        here += _against_plugin(run, self._catalog, self._checkers)
        refers = run.file.refers and any(references.find(run.spec))
        if refers and not run.inputs:
            here += at_most(MOST_PROBLEMS, _references(run, {}, {}, self._catalog))
        if self._models and not here and not (refers and any(references.find(run.params))):
            here += self._model_says(run)
        return [*here, *at_most(MOST_PROBLEMS, _meant_otherwise(run, self._catalog, here))]

    def _is_known(self, run: Run) -> bool:
        """Whether nothing was wrong with it when it was planned the last time, with the same schemas."""
        known = run.file.known.get(run.name)
        try:
            return known is not None and known[0] == self._catalog.basis(run.plugin, run.action)
        except PluginError:
            return False

    def _model_says(self, run: Run) -> list[Diagnostic]:
        if self._catalog.action(run.plugin, run.action).complete:
            return []
        key = (run.plugin, run.action)
        if key not in self._actions:
            try:
                self._actions[key] = _load_action(run, self._catalog)
            except PluginError:  # its schema is known all the same, or that would have been said
                self._actions[key] = None
        return _refused(run, self._actions[key]) if self._actions[key] is not None else []


def check_model(run: Run, catalog: Catalog) -> list[Diagnostic]:
    """What the params model itself says, where no reference is open; imports the plugin's code unless that is known.

    The code of a local run is imported in any case, so that what does not load is told before anything runs.
    """
    if any(references.find(run.params)):
        return []
    try:
        if run.mode is not ExecutionMode.LOCAL and catalog.action(run.plugin, run.action).complete:
            return []
        return _refused(run, _load_action(run, catalog))
    except PluginError as error:
        return [_plugin_problem(run, error)]


def _load_action(run: Run, catalog: Catalog) -> Any:
    from synapse_spec.plugins.execution import load_action

    return load_action(catalog.plugin(run.plugin).source, catalog.action(run.plugin, run.action).entrypoint)


def _refused(run: Run, action: Any) -> list[Diagnostic]:
    from synapse_spec.plugins.execution import check_params

    try:
        check_params(action, run.params)
    except ValidationError as error:
        problems = error.details or [{"loc": [], "message": error.message}]
        places = [matrix_checks.written_at(run, ("spec", "params", *item["loc"])) for item in problems]
        return [diagnose(run, "SS107", _model_words(item), place) for item, place in zip(problems, places, strict=True)]
    return []


def _model_words(item: dict[str, Any]) -> str:
    place = dotted(item["loc"])
    message = str(item["message"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return f"{place}: {message}" if place else message


def _unknown_cluster(run: Run, catalog: Catalog) -> Iterator[Diagnostic]:
    known = catalog.settings.clusters
    if run.cluster is None or known is None or run.cluster in known:
        return
    from synapse_spec.spec.wording import near_hint

    hint = f"known in synapse.toml: {', '.join(known)}" if known else "synapse.toml has no [clusters]"
    hint = " ".join(filter(None, (near_hint(run.cluster, known), hint)))
    yield diagnose(run, "SS110", f"there is no cluster {run.cluster!r}", ("spec", "cluster"), hint=hint)


def _against_plugin(run: Run, catalog: Catalog, checkers: dict[tuple[PluginRef, str], Checker]) -> Iterator[Diagnostic]:
    try:
        plugin = catalog.plugin(run.plugin)
        if plugin.requires and (found := _unmet(run, plugin)):
            yield from found
            if any(item.severity == "error" for item in found):  # its code might not even load
                return
        facts = catalog.action(run.plugin, run.action)
    except PluginError as error:
        yield _plugin_problem(run, error)
        return
    key, label = (run.plugin, run.action), _label(run, catalog)
    try:
        if key not in checkers:
            checkers[key] = Checker(facts.params)
    except ValueError as error:
        message = f"the params model of {label} gives no valid JSON Schema: {str(error).splitlines()[0]}"
        yield diagnose(run, "SS204", message, ("spec", "action"))
        return
    for problem in checkers[key].problems(run.params):
        yield _param_problem(run, problem, label)


def _unmet(run: Run, plugin: PluginFacts) -> list[Diagnostic]:
    from synapse_spec.spec.plugin_checks import unmet_requirements

    return list(unmet_requirements(run, plugin.source, plugin.requires))


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
    path = matrix_checks.written_at(run, path)
    return diagnose(run, code, message, path, hint=problem.hint, on_key=problem.on_key)


def _references(
    run: Run, runs: dict[str, Run], children: dict[str, list[Run]], catalog: Catalog
) -> Iterator[Diagnostic]:
    """Args: the runs by their names, and the children of each run with a matrix by that run's name."""
    from synapse_spec.spec import reference_checks

    yield from reference_checks.form(run, children, runs.keys())
    try:
        facts = catalog.action(run.plugin, run.action)
    except PluginError:  # said already
        return

    def result_of(reference: references.Reference) -> tuple[str, dict[str, Any]] | None:
        if reference.gathers != (reference.run in children):  # said already
            return None
        name = str(reference.run)
        found = _result(runs.get(name) or next(iter(children.get(name, ())), None), catalog)
        return (found[0], reference_checks.listed(found[1])) if found is not None and reference.gathers else found

    yield from reference_checks.fit(run, facts.params, result_of)


def _meant_otherwise(run: Run, catalog: Catalog, here: list[Diagnostic]) -> Iterator[Diagnostic]:
    try:
        params = catalog.action(run.plugin, run.action).params
    except PluginError:  # said already
        return
    yield from yaml11.warnings(run, params, {item.pointer for item in here})


def _plugin_problem(run: Run, error: PluginError) -> Diagnostic:
    from synapse_spec.spec.plugin_checks import plugin_problem

    return plugin_problem(run, error)


def _result(run: Run | None, catalog: Catalog) -> tuple[str, dict[str, Any]] | None:
    try:
        result = catalog.action(run.plugin, run.action).result if run is not None else None
    except PluginError:  # said where that run is checked
        return None
    return (_label(run, catalog), result) if run is not None and result is not None else None


def _label(run: Run, catalog: Catalog) -> str:
    return f"{catalog.plugin(run.plugin).code}:{run.action}"
