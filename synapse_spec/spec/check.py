"""Holds a document against a JSON Schema: jsonschema-rs decides, jsonschema explains.

Used by `load` for the envelope and by `validate` for params. A reference stands for a value that is not known yet,
so what is said about the place of a reference is left out.
"""

import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import jsonschema_rs

from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec import wording
from synapse_spec.spec.references import dig, find
from synapse_spec.spec.wording import Failure

_STRUCTURAL = ("required", "additionalProperties")


@dataclass(frozen=True, slots=True)
class Problem:
    """What does not fit.

    Attributes:
        path: Where; at its key when `on_key`.
        kind: "value", "missing" (a key of the mapping at `path`) or "unknown" (the key at the end of `path`).
        text: What is wrong with a value; the name of what is missing or unknown.
        hint: The way out.
        meant: The known name that an unknown one comes close to.
    """

    path: KeyPath
    kind: str
    text: str
    hint: str | None = None
    on_key: bool = False
    meant: str | None = None


class Checker:
    """A compiled schema.

    Args:
        schema: Draft 2020-12.
        references: Whether a reference may stand for any value.

    Raises:
        ValueError: It is no valid schema.
    """

    def __init__(self, schema: dict[str, Any], *, references: bool = True) -> None:
        self._schema, self._validator = _compiled(schema)
        self._references = references

    def problems(self, instance: Any) -> list[Problem]:
        """All that does not fit, by place; [] means valid."""
        if self._validator.is_valid(instance):
            return []
        open_paths = {path for path, _ in find(instance)} if self._references else set()
        errors = [
            error
            for error in self._validator.iter_errors(instance)
            if not _excused(error.schema_path, error.instance_path, open_paths)
        ]
        if not errors:
            return []
        try:
            return _explain(self._schema, instance, open_paths) or _unexplained(errors)
        except (RecursionError, re.error):  # jsonschema recurses as the document does, and knows Python's patterns only
            return _unexplained(errors)


def _compiled(schema: dict[str, Any]) -> tuple[dict[str, Any], jsonschema_rs.Draft202012Validator]:
    try:
        return schema, jsonschema_rs.Draft202012Validator(schema)
    except jsonschema_rs.ValidationError as error:
        *path, keyword = error.instance_path or [""]
        if keyword != "pattern":
            raise
        # A regular expression that only Python knows: the params model goes by it, the schema goes without.
        relaxed = deepcopy(schema)
        dig(relaxed, tuple(path)).pop("pattern")
        return _compiled(relaxed)


def dotted(path: KeyPath) -> str:
    """A key path as references write it: `layers[1].size`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _excused(schema_path: Iterable[str | int], path: Iterable[str | int], open_paths: set[KeyPath]) -> bool:
    """Whether the problem may vanish once the references at or below its place have values."""
    place, keyword = tuple(path), next(reversed(list(schema_path)), None)
    if not place or keyword in _STRUCTURAL:
        return False
    return any(open_path[: len(place)] == place for open_path in open_paths)


def _unexplained(errors: "Iterable[jsonschema_rs.ValidationError]") -> list[Problem]:
    """Plainly what jsonschema-rs found, for the rare case in which jsonschema has nothing to say."""
    return [
        Problem(tuple(error.instance_path), "value", f"{wording.short(error.instance)} does not fit: {error.kind.name}")
        for error in errors
    ]


def _explain(schema: dict[str, Any], instance: Any, open_paths: set[KeyPath]) -> list[Problem]:
    found: dict[tuple[KeyPath, str, str], Problem] = {}
    for error in _explainer()(schema).iter_errors(instance):
        if not _excused(error.absolute_schema_path, error.absolute_path, open_paths):
            for problem in _problems(error, schema):
                found.setdefault((problem.path, problem.kind, problem.text), problem)
    problems = found.values()
    explained = {(problem.path[:-1], problem.meant) for problem in problems if problem.meant}
    return sorted(
        (item for item in problems if item.kind != "missing" or (item.path, item.text) not in explained),
        key=lambda item: [str(part) for part in item.path],
    )


@cache
def _explainer() -> Any:
    from jsonschema import Draft202012Validator, ValidationError, validators

    def pattern(_: Any, limit: str, instance: Any, __: Any) -> Iterator[ValidationError]:
        # Both must read patterns alike, and Python's regular expressions are another dialect.
        if not jsonschema_rs.Draft202012Validator({"pattern": limit}).is_valid(instance):
            yield ValidationError(limit)

    extend: Any = validators.extend
    return extend(Draft202012Validator, {"pattern": pattern})


def _problems(error: Failure, root: dict[str, Any]) -> Iterator[Problem]:
    path = tuple(error.absolute_path)
    match error.validator:
        case "required":
            for name in error.validator_value:
                if name not in error.instance:
                    yield Problem(path, "missing", name, wording.how_to_add(error.schema, name, root))
        case "additionalProperties" if error.validator_value is False:
            for name in wording.unknown_names(error.instance, error.schema):
                hint, meant = wording.suggest(name, error.instance, error.schema, root)
                yield Problem((*path, name), "unknown", name, hint, on_key=True, meant=meant)
        case "anyOf" | "oneOf" if error.context:
            yield from _of_best_branch(error, root)
        case _ if "propertyNames" in error.absolute_schema_path:
            yield Problem((*path, error.instance), "value", f"the key {wording.said(error)}", on_key=True)
        case _:
            yield Problem(path, "value", wording.said(error), wording.help_with(error))


def _of_best_branch(error: Failure, root: dict[str, Any]) -> Iterator[Problem]:
    """What is wrong with the branch that is meant, not an essay on all of them."""
    path, branches = tuple(error.absolute_path), _branches(error)
    schemas = [wording.followed(branch, root) for branch in error.validator_value]
    chooser = wording.discriminator(schemas) if isinstance(error.instance, dict) else None
    if chooser is not None:
        name, options = chooser
        given = error.instance.get(name)
        if name not in error.instance:
            yield Problem(path, "missing", name, f"it is one of {wording.listed(options)}")
            return
        if given not in options:
            said = f"{wording.short(given)} is none of {wording.listed(options)}"
            yield Problem((*path, name), "value", said, wording.near_hint(given, options))
            return
        fitting = [index for index, schema in enumerate(schemas) if given in wording.constants(schema, name)]
    else:
        fitting = [index for index, items in branches.items() if not any(map(_of_other_kind, items))]
    if fitting:
        closest = min(fitting, key=lambda index: len(branches[index]))
        for item in branches[closest]:
            yield from _problems(item, root)
        return
    hint = wording.near_hint(error.instance, wording.choices(schemas)) or wording.described(error.schema)
    yield Problem(path, "value", f"{wording.short(error.instance)} is not {wording.kind(error.schema, root)}", hint)


def _branches(error: Failure) -> dict[int, list[Failure]]:
    branches: dict[int, list[Failure]] = {index: [] for index in range(len(error.validator_value))}
    for item in error.context:
        branches[int(item.schema_path[0])].append(item)
    return branches


def _of_other_kind(error: Failure) -> bool:
    """Whether the value is not even of the kind that the branch takes."""
    if error.path:
        return False
    if error.validator in ("anyOf", "oneOf") and error.context:
        return all(any(map(_of_other_kind, items)) for items in _branches(error).values())
    return error.validator in ("type", "const", "enum")
