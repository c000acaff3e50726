"""Holds a document against a JSON Schema: jsonschema-rs decides, jsonschema explains.

Used by `load` for the envelope and by `validate` for params. A reference stands for a value that is not known yet,
so what is said about the place of a reference is left out.
"""

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec import formats
from synapse_spec.spec.references import find

if TYPE_CHECKING:
    import jsonschema_rs

# Nobody reads more of one document, and there may be a million.
MOST_PROBLEMS = 100
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
        self._schema, self._validator = schema, compiled(schema)
        self._references = references
        self._explainer: Any = None

    def problems(self, instance: Any) -> list[Problem]:
        """What does not fit, by place, or enough of it; [] means valid."""
        if self._validator.is_valid(instance):
            return []
        open_paths = {path for path, _ in find(instance)} if self._references else set()
        if open_paths and self._errors(instance, open_paths) == []:
            return []
        from synapse_spec.spec.explain import explain, explainer

        if self._explainer is None:
            self._explainer = explainer(self._schema)
        return explain(self._explainer, instance, open_paths, lambda: self._errors(instance, open_paths))

    def _errors(self, instance: Any, open_paths: set[KeyPath]) -> list[Any] | None:
        """Enough of what jsonschema-rs finds; None where a wrong value has more levels than it can hand over."""
        try:
            found = (error for error in self._validator.iter_errors(instance) if not _vanishes(error, open_paths))
            return list(islice(found, MOST_PROBLEMS))
        except ValueError:
            return None


def compiled(schema: dict[str, Any]) -> "jsonschema_rs.Draft202012Validator":
    """What decides.

    Raises:
        ValueError: It is no valid schema.
    """
    import jsonschema_rs

    asserted = formats.assertions(schema)
    if not asserted:
        return jsonschema_rs.Draft202012Validator(schema)
    keywords = {name: _keyword(name) for name in asserted.keywords}
    return jsonschema_rs.Draft202012Validator(
        schema, formats=asserted.formats, validate_formats=True, keywords=keywords
    )


def _keyword(name: str) -> Any:
    class Keyword:
        def __init__(self, schema: dict[str, Any], limit: Any, _: list[str | int]) -> None:
            self._test = formats.keyword_test(name, limit, schema)

        def validate(self, instance: Any) -> None:
            if not self._test(instance):
                raise ValueError(name)

    return Keyword


def dotted(path: KeyPath) -> str:
    """A key path as references write it: `layers[1].size`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def may_vanish(place: KeyPath, keyword: str, open_paths: set[KeyPath]) -> bool:
    """Whether what a keyword says of a place may be different once the references have values."""
    if place in open_paths:
        return True
    return keyword in _OF_THE_WHOLE and any(open_path[: len(place)] == place for open_path in open_paths)


def _vanishes(error: "jsonschema_rs.ValidationError", open_paths: set[KeyPath]) -> bool:
    branches = getattr(error.kind, "context", ())  # of anyOf and oneOf
    return may_vanish(tuple(error.instance_path), error.kind.name, open_paths) or any(
        branch and all(_vanishes(item, open_paths) for item in branch) for branch in branches
    )
