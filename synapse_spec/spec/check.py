"""Holds a document against a JSON Schema: jsonschema-rs decides, jsonschema explains.

Used by `load` for the envelope and by `validate` for params. A reference stands for a value that is not known yet,
so what is said about the place of a reference is left out.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec.references import dig, find

# What is said of a list or mapping as a whole, but depends on the values in it.
_OF_THE_WHOLE = ("const", "contains", "enum", "not", "uniqueItems")


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
        errors: list[Any] | None
        try:
            errors = [error for error in self._validator.iter_errors(instance) if not _vanishes(error, open_paths)]
        except ValueError:  # a wrong value of more levels than jsonschema-rs can hand over
            errors = None
        if errors == []:
            return []
        from synapse_spec.spec.explain import explain

        return explain(self._schema, instance, open_paths, errors)


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


def may_vanish(place: KeyPath, keyword: str, open_paths: set[KeyPath]) -> bool:
    """Whether what a keyword says of a place may be different once the references have values."""
    if place in open_paths:
        return True
    return keyword in _OF_THE_WHOLE and any(open_path[: len(place)] == place for open_path in open_paths)


def _vanishes(error: jsonschema_rs.ValidationError, open_paths: set[KeyPath]) -> bool:
    branches = getattr(error.kind, "context", ())  # of anyOf and oneOf
    return may_vanish(tuple(error.instance_path), error.kind.name, open_paths) or any(
        branch and all(_vanishes(item, open_paths) for item in branch) for branch in branches
    )
