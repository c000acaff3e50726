"""What is wrong with the references of a run: their form, and whether what they point to fits where they stand.

Pure; called by `validate`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Set, Sized
from dataclasses import replace
from typing import Any

from synapse_spec.plugins.yaml import KeyPath, Span
from synapse_spec.spec import references, wording
from synapse_spec.spec.check import dotted
from synapse_spec.spec.diagnostics import Diagnostic
from synapse_spec.spec.load import diagnose, written
from synapse_spec.spec.model import Run
from synapse_spec.spec.references import Reference

KNOWN_VALUES = ("run.name", "spec.dir", "workspace.root", "git.commit")
_CUT_SHORT = re.compile(r"runs\.[\w-]+\[[^\]]*\Z")
_RESULT_WORDS = ("result", "results", "output", "outputs", "Result")

# Of a reference to a run: its plugin and action, as `demo:train`, and the schema of what it gives; None: not known.
ResultOf = Callable[[Reference], tuple[str, dict[str, Any]] | None]
_OURS = ("synapse", {"type": "string"})


def form(run: Run, families: Mapping[str, Sized], known: Set[str]) -> Iterator[Diagnostic]:
    """References in params and env that cannot be one of those there are.

    Args:
        run: The run.
        families: The children of each run with a matrix.
        known: Runs without, and children.
    """
    for path, reference in references.find({key: run.spec[key] for key in ("params", "env") if key in run.spec}):
        said = _misshapen(reference) or _of_wrong_number(reference, families.keys(), known)
        code = "SS301" if said is not None else "SS304"
        said = said or _beyond(reference, families)
        if said is not None:
            place = ("spec", *path)
            yield _pointed(run, place, reference, diagnose(run, code, said[0], place, hint=said[1]))


def fit(run: Run, params: dict[str, Any], result_of: ResultOf) -> Iterator[Diagnostic]:
    """References in params to what the upstream result lacks, or to what is of a type that the param does not take.

    Args:
        run: The run.
        params: The schema of its params.
        result_of: What is known of another run's result, or of the list of its children's.
    """
    for path, reference in references.find(run.params):
        if _misshapen(reference):
            continue
        label, result = (result_of(reference) if reference.run is not None else _OURS) or ("", None)
        found, lacking = wording.follow(result, reference.parts[3:])
        place = ("spec", "params", *path)
        if lacking is not None:
            message = f"the result of run {reference.run!r} has no {wording.short(dotted(lacking))}"
            hint = _offer(lacking, found, label)
            yield _pointed(run, place, reference, diagnose(run, "SS304", message, place, hint=hint))
        elif not references.is_whole(references.dig(run.params, path)):
            said = _mismatch("a text with a reference in it", {"type": "string"}, params, path)
            if said:
                yield diagnose(run, "SS304", said, place)
        elif found is not None:
            said = _mismatch(reference.text, wording.inlined(found, result), params, path)
            hint = None if reference.run is None else _declared(label, result)
            if said:
                yield diagnose(run, "SS304", said, place, hint=hint)


def _pointed(run: Run, path: KeyPath, reference: Reference, found: Diagnostic) -> Diagnostic:
    """The diagnostic at the reference itself, where it stands within a longer text."""
    if len(reference.text) > references.LONGEST:
        return found
    pattern = rf"\$\{{\{{\s*{re.escape(reference.text)}(\s*\}}\}})?"
    match = re.search(pattern, written(run, path))
    if found.span is None or match is None:
        return found
    line, start = found.span.line, found.span.column + match.start()
    return replace(found, span=Span(line, start, line, start + len(match[0])))


def _misshapen(reference: Reference) -> tuple[str, str] | None:
    """Message and hint, or None for a reference that is well formed."""
    parts, shown = reference.parts, f"'{wording.cut(str(reference))}'"
    if not reference.closed:
        return f"{shown} is never closed", "end it with }}"
    if not parts:
        return f"{shown} is not a reference", _as_path(reference.text)
    if parts[0] == "runs":
        return None if reference.run is not None else (f"{shown} is not the result of a run", _as_result(parts))
    if dotted(parts) in KNOWN_VALUES:
        return None
    if parts[0] == "matrix":
        return f"{shown} is unknown", "this run has no matrix" if len(parts) > 1 else "write matrix.KEY"
    if parts[0] in ("run", "result", "results") and len(parts) > 2:
        return f"{shown} is unknown", _as_result(("runs", *parts[1:]))
    near = wording.near(dotted(parts), KNOWN_VALUES, 0.7)
    known = f"there are {', '.join(KNOWN_VALUES)} and runs.NAME.result"
    return f"{shown} is unknown", f"did you mean {near}?" if near else known


def _of_wrong_number(reference: Reference, families: Set[str], known: Set[str]) -> tuple[str, str] | None:
    """Message and hint where one result is asked of a run with a matrix, or many of a run without."""
    if reference.run is None or reference.gathers == (reference.run in families):
        return None
    if reference.run not in families and reference.run not in known:  # another diagnostic says so
        return None
    rest = reference.parts[3:]
    if reference.gathers:
        return f"run {reference.run!r} has no matrix", f"write {dotted(('runs', reference.run, 'result', *rest))}"
    both = f"write runs.{reference.run}.results for all, or name one, such as runs.{reference.run}[KEY=VALUE].result"
    return f"run {reference.run!r} has a matrix, so it has many results", both


def _beyond(reference: Reference, families: Mapping[str, Sized]) -> tuple[str, str] | None:
    """Message and hint where there are not as many results in the list."""
    rest, count = reference.parts[3:], len(families.get(reference.run or "", ()))
    if not reference.gathers or not rest or not isinstance(rest[0], int) or rest[0] < count or not count:
        return None
    children = "1 child" if count == 1 else f"{count} children"
    return f"run {reference.run!r} has {children}, so there is no results[{rest[0]}]", f"the last is [{count - 1}]"


def listed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a list of what `schema` describes."""
    inner = {key: value for key, value in schema.items() if key != "$defs"}
    return {"type": "array", "items": inner, "$defs": schema.get("$defs", {})}


def _as_path(text: str) -> str:
    if _CUT_SHORT.match(text) and "{" in text:
        return "the first }} ends a reference: write } } in the value of a child's name"
    return "it is a path, such as runs.NAME.result.FIELD[0] or run.name"


def _as_result(parts: KeyPath) -> str:
    if len(parts) == 1:
        return "write runs.NAME.result or runs.NAME.result.FIELD"
    if len(parts) > 2 and isinstance(parts[2], int):
        return f"write {dotted(('runs', parts[1], 'results', parts[2], *parts[4:]))}, if it has a matrix"
    rest = parts[3:] if parts[2:] and parts[2] in _RESULT_WORDS else parts[2:]
    return f"write {dotted(('runs', parts[1], 'result', *rest))}"


def _offer(lacking: KeyPath, schema: dict[str, Any], label: str) -> str | None:
    near = wording.near(str(lacking[-1]), schema.get("properties", {}))
    if near:
        return f"did you mean {near!r}? ({_kind(schema, near)}, of {label})"
    if schema.get("type") == "array":
        return "it is a list; its first item is [0]"
    return _declared(label, schema) if schema.get("properties") else f"it is {wording.kind(schema)}"


def _declared(label: str, schema: Any) -> str | None:
    """What the upstream action says of its result."""
    fields = [f"{name} ({_kind(schema, name)})" for name in schema.get("properties", {})]
    return f"{label} gives {', '.join(fields) or wording.kind(schema)}"


def _kind(schema: dict[str, Any], name: str) -> str:
    return wording.listed(wording.kinds_at(schema, (name,)), "or", str) or "anything"


def _mismatch(subject: str, given: Any, params: dict[str, Any], path: KeyPath) -> str | None:
    """What is wrong where what is given has no type that the param takes."""
    target, unknown = wording.follow(params, path)
    taken = wording.inlined(target, params) if target is not None and unknown is None else {}
    ours, theirs = _types(given), _types(taken)
    if not (ours and theirs) or ours & theirs:
        return None
    return f"{wording.cut(subject)} is {wording.kind(given)}; {dotted(path)} takes {wording.kind(taken)}"


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
