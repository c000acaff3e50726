"""One document by itself, without its plugin: whether it is a Run, and what of it does not fit the envelope.

Pure; called by `load`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from itertools import islice
from typing import Any

from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec import references
from synapse_spec.spec.check import MOST_PROBLEMS, Checker, Problem, dotted
from synapse_spec.spec.diagnostics import MORE
from synapse_spec.spec.envelope import RUN
from synapse_spec.spec.model import API_VERSION

API_GROUP = API_VERSION.partition("/")[0]
_CODES = {"value": "SS101", "missing": "SS102", "unknown": "SS103"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, at a key path: at its key when `on_key`."""

    code: str
    message: str
    path: KeyPath = ()
    hint: str | None = None
    on_key: bool = False


def is_ours(document: Any) -> bool:
    """In a folder, other tools' documents are passed over; one of ours whose header has a typo is not."""
    if not isinstance(document, dict):
        return False
    if str(document.get("apiVersion", "")).startswith(API_GROUP):
        return True
    if "apiVersion" not in document and document.get("kind") == "Run":
        return True
    texts = [value[:40] for value in document.values() if isinstance(value, str)]
    return bool(get_close_matches(API_VERSION, texts, 1, 0.8))


def check_document(document: Any, *, refers: bool = True) -> list[Finding]:
    """All that is wrong with it; one that is no Run is not looked at any further.

    Args:
        document: As read.
        refers: Whether there may be references in it.
    """
    if not isinstance(document, dict) or not {"apiVersion", "kind"} & document.keys():
        separate = "several runs are separated by ---, not written as a list" if isinstance(document, list) else None
        message = f"this is not a Run: it starts with 'apiVersion: {API_VERSION}' and 'kind: Run'"
        return [Finding("SS003", message, hint=separate)]
    kind, version = document.get("kind", "Run"), document.get("apiVersion", API_VERSION)
    if str(kind).casefold() != "run":
        near = get_close_matches(str(kind)[:40].capitalize(), ["Run"], 1)
        hint = "synapse writes it; name the spec instead" if kind == "RunStatus" else near and "did you mean 'Run'?"
        return [Finding("SS003", f"this is of kind {_shown(kind)}, not a Run", ("kind",), hint or None)]
    if version != API_VERSION:
        hint = f"this version of synapse reads '{API_VERSION}'"
        return [Finding("SS101", f"apiVersion: {_shown(version)} is not known", ("apiVersion",), hint)]
    problems = _envelope().problems(document)
    stray = _at_most(_stray_references(document)) if refers else []
    if not problems:
        return stray
    elsewhere = {finding.path for finding in stray}
    return stray + [_finding(item) for item in _placed(problems, document) if item.path not in elsewhere]


def _shown(value: Any) -> str:
    from synapse_spec.spec.wording import short

    return short(value)


def salvage(document: Any, findings: list[Finding]) -> dict[str, Any] | None:
    """The document without its wrong fields, so that the others can be checked further; None if that takes them too."""
    if not findings:
        return dict(document)
    if not isinstance(document, dict) or any(item.code == "SS003" for item in findings):
        return None
    copy = {key: dict(value) if isinstance(value, dict) else value for key, value in document.items()}
    for item in findings:
        match item.path:
            case (name,):
                copy.pop(name, None)
            case (name, field, *_) if isinstance(copy.get(name), dict):
                copy[name].pop(field, None)
    spec = copy.get("spec")
    # Params that were meant, but stand elsewhere, would all be said to be missing.
    lost = isinstance(spec, dict) and "params" not in spec and any(item.path[:1] == ("spec",) for item in findings)
    lost = lost or any(item.path[:2] == ("spec", "matrix") for item in findings)  # and so would its values
    return None if lost or _envelope().problems(copy) else copy


def _at_most(found: Iterator[Finding]) -> list[Finding]:
    kept, left = list(islice(found, MOST_PROBLEMS)), next(found, None)
    return kept if left is None else [*kept, replace(left, message=MORE, hint=None)]


@cache
def _envelope() -> Checker:
    return Checker(RUN, references=False)


def _stray_references(document: dict[str, Any]) -> Iterator[Finding]:
    """References where none is resolved."""
    for path, reference in references.find(document):
        match path:
            case ("spec", "params", _, *_) | ("spec", "env", _) | ("metadata", "annotations", *_):
                continue
            case _:
                message = f"{dotted(path)}: {_shown(str(reference))} cannot stand here"
                yield Finding("SS301", message, path, "references are for the values in params and env")


def _placed(problems: list[Problem], document: dict[str, Any]) -> Iterator[Problem]:
    """Fields that are known elsewhere are sent there; where their mapping is missing, that alone is said."""
    unknown = [item for item in problems if item.kind == "unknown"]
    crowded = {item.path[:-1] for item in unknown}
    homes = {item.text: _homes().get(item.text) for item in unknown}
    for problem in problems:
        home, lacking = homes.get(problem.text), _lacks(problem)
        if problem.kind == "unknown":
            if home is None or document.get(home.partition(".")[0]) is not None or len(problem.path) > 1:
                yield replace(problem, hint=_way_out(problem))
        elif strays := [name for name in document if lacking and homes.get(name) == lacking]:
            from synapse_spec.spec.wording import listed

            yield replace(problem, hint=f"put {listed(strays, 'and')} under it")
        elif problem.kind == "missing":
            if home is None or home != dotted(problem.path):
                yield problem
        elif problem.path not in crowded:  # else there are too many keys because some are unknown
            yield problem


def _lacks(problem: Problem) -> str | None:
    """The mapping at the top that is missing, or has nothing under it."""
    if problem.kind == "missing" and problem.path == ():
        return problem.text
    return str(problem.path[0]) if len(problem.path) == 1 and problem.text.startswith("null ") else None


def _way_out(problem: Problem) -> str | None:
    """Where an unknown field belongs, if that is known."""
    parent, name = dotted(problem.path[:-1]), problem.text
    home = _homes().get(name)
    if home is not None and home != parent and parent in ("", "metadata", "spec"):
        return f"it belongs under '{home}'"
    if parent == "spec" and problem.meant is None:
        return f"what the action takes goes under 'params'; {problem.hint}"
    return problem.hint


@cache
def _homes() -> dict[str, str]:
    """Field -> the mapping that takes it."""
    top = RUN["properties"]
    homes = dict.fromkeys(top["metadata"]["properties"], "metadata")
    for name in ("resources", "retry"):
        homes |= dict.fromkeys(top["spec"]["properties"][name]["properties"], f"spec.{name}")
    return homes | dict.fromkeys(top["spec"]["properties"], "spec")


def _finding(problem: Problem) -> Finding:
    place = dotted(problem.path[:-1] if problem.on_key else problem.path)
    messages = {
        "unknown": f"unknown field {problem.text!r}{' in ' + place if place else ''}",
        "missing": f"{place + ': ' if place else ''}{problem.text!r} is required",
        "value": f"{place + ': ' if place else ''}{problem.text}",
    }
    message, code = messages[problem.kind], _CODES[problem.kind]
    return Finding(code, message, problem.path, problem.hint, problem.on_key)
