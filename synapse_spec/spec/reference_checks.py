"""What is wrong with the references of a run: their form, and whether what they point to fits where they stand.

Pure; called by `validate`.
"""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any

from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec import references, wording
from synapse_spec.spec.check import dotted
from synapse_spec.spec.diagnostics import Diagnostic
from synapse_spec.spec.load import diagnose
from synapse_spec.spec.model import Run
from synapse_spec.spec.references import Reference

KNOWN_VALUES = ("run.name", "spec.dir", "workspace.root", "git.commit")
_LATER = ("matrix",)
_LEAVES = ("string", "number", "integer", "boolean", "array")
_RESULT_WORDS = ("results", "output", "outputs", "Result")

ResultOf = Callable[[str], dict[str, Any] | None]


def form(run: Run) -> Iterator[Diagnostic]:
    """References in params and env that cannot be one of those there are."""
    for path, reference in references.find({key: run.spec[key] for key in ("params", "env") if key in run.spec}):
        said = _misshapen(reference)
        if said is not None:
            yield diagnose(run, "SS301", said[0], ("spec", *path), hint=said[1])


def fit(run: Run, params: dict[str, Any], result_of: ResultOf) -> Iterator[Diagnostic]:
    """References in params to what the upstream result lacks, or to what is of a type that the param does not take.

    Args:
        run: The run.
        params: The schema of its params.
        result_of: The schema of another run's result; None where nothing is known of it.
    """
    for path, reference in references.find(run.params):
        if _misshapen(reference):
            continue
        result = result_of(reference.run) if reference.run is not None else {"type": "string"}
        found, lacking = _follow(result, reference.parts[3:])
        if lacking is not None:
            message = f"the result of run {reference.run!r} has no {dotted(lacking)!r}"
            yield diagnose(run, "SS304", message, ("spec", "params", *path), hint=_offer(lacking, found))
        elif not references.is_whole(references.dig(run.params, path)):
            yield from _typed(run, path, "a text with a reference in it", {"type": "string"}, params)
        elif found is not None:
            yield from _typed(run, path, reference.text, wording.inlined(found, result), params)


def _misshapen(reference: Reference) -> tuple[str, str] | None:
    """Message and hint, or None for a reference that is well formed."""
    parts, shown = reference.parts, f"'{reference}'"
    if not reference.closed:
        return f"{shown} is never closed", "end it with }}"
    if not parts:
        return f"{shown} is not a reference", "it is a path, such as runs.NAME.result.FIELD[0] or run.name"
    if parts[0] == "runs":
        return None if reference.run is not None else (f"{shown} is not the result of a run", _as_result(parts))
    if dotted(parts) in KNOWN_VALUES:
        return None
    if parts[0] in _LATER:
        return f"{shown} is unknown", "not supported by this version"
    near = get_close_matches(dotted(parts), KNOWN_VALUES, 1, 0.7)
    known = f"there are {', '.join(KNOWN_VALUES)} and runs.NAME.result"
    return f"{shown} is unknown", f"did you mean {near[0]}?" if near else known


def _as_result(parts: KeyPath) -> str:
    if len(parts) == 1:
        return "write runs.NAME.result or runs.NAME.result.FIELD"
    rest = parts[3:] if parts[2:] and parts[2] in _RESULT_WORDS else parts[2:]
    return f"write {dotted(('runs', parts[1], 'result', *rest))}"


def _offer(lacking: KeyPath, schema: Any) -> str | None:
    known = list(schema.get("properties", {}))
    near = get_close_matches(str(lacking[-1]), known, 1)
    if near:
        return f"did you mean {near[0]!r}?"
    if schema.get("type") == "array":
        return "it is a list; its first item is [0]"
    return f"it has {', '.join(known)}" if known else f"it is {wording.kind(schema)}"


def _typed(run: Run, path: KeyPath, subject: str, given: Any, params: dict[str, Any]) -> Iterator[Diagnostic]:
    """Whether what is given has a type that the param takes."""
    target, unknown = _follow(params, path)
    taken = wording.inlined(target, params) if target is not None and unknown is None else {}
    ours, theirs = _types(given), _types(taken)
    if ours and theirs and not ours & theirs:
        message = f"{subject} is {wording.kind(given)}; {dotted(path)} takes {wording.kind(taken)}"
        yield diagnose(run, "SS304", message, ("spec", "params", *path))


def _follow(schema: Any, path: KeyPath) -> tuple[Any, KeyPath | None]:
    """The schema at `path`; or the one that lacks a part, and the path to that part. (None, None): nothing is known."""
    node: Any = schema
    for depth, part in enumerate(path, 1):
        node = _present(wording.followed(node, schema), schema)
        known = node.get("properties", {})
        if part in known:
            node = known[part]
        elif isinstance(part, int) and node.get("type") == "array":
            node = node.get("items")
        elif node.get("type") in _LEAVES or (known and node.get("additionalProperties", False) is False):
            return node, path[:depth]
        else:
            node = node.get("additionalProperties")
        if not isinstance(node, dict):
            return None, None
    return node, None


def _present(node: dict[str, Any], root: Any) -> dict[str, Any]:
    """Of something or null the something; nothing is known where it may be of several forms."""
    branches = node.get("anyOf") or node.get("oneOf")
    if not branches:
        return node
    forms = [form for form in (wording.followed(branch, root) for branch in branches) if form.get("type") != "null"]
    return forms[0] if len(forms) == 1 else {}


def _types(node: dict[str, Any]) -> set[str]:
    """The JSON types a schema allows; empty where nothing is said."""
    branches = node.get("anyOf") or node.get("oneOf")
    if branches:
        parts = [_types(item) for item in branches]
        return set().union(*parts) if all(parts) else set()
    if "const" in node or "enum" in node:
        return {_type_of(value) for value in node.get("enum", [node.get("const")])}
    kinds = node.get("type", ())
    found = {kinds} if isinstance(kinds, str) else set(kinds)
    return found | ({"integer"} if "number" in found else set())


def _type_of(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")
