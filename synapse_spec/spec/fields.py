"""The fields inside a schema, at any depth: listed, looked up by their paths, described. Pure.

Called by `scaffold`, and by `inspect` and `explain` of the command line.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from synapse_spec.spec.describe import (
    branches,
    choices,
    default_text,
    flow,
    item_schemas,
    merged,
    other_names,
    pattern_words,
    required_names,
    type_text,
    value_schemas,
)
from synapse_spec.spec.wording import discriminator, listed, near_hint

EACH, ANY_KEY = "[]", "*"  # in paths: an item of a list, a value of a mapping with free keys

_PARTS = re.compile(r"\.?([^.\[\]]+)|\[(\d*)\]")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a mapping, at any depth.

    Attributes:
        path: Names from the top, with EACH and ANY_KEY where lists and free keys are gone through.
        schema: What it takes, with what its `$ref` leads to.
        required: Whether its mapping must have it.
        form: The name of the form of its mapping, where that has several; else "".
        aliases: Other names by which it may be given.
    """

    path: tuple[str, ...]
    schema: dict[str, Any]
    required: bool = False
    form: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.path[-1]


@dataclass(frozen=True, slots=True)
class _Mapping:
    """A mapping with known fields inside a schema: how it is reached, and the `$ref`s on the way."""

    way: tuple[str, ...]
    schema: dict[str, Any]
    seen: frozenset[str]


def written(path: tuple[str, ...]) -> str:
    """A path as people write it: `layers[].size`."""
    return "".join(part if part.startswith("[") else f".{part}" for part in path).removeprefix(".")


def fields(schema: dict[str, Any], root: dict[str, Any]) -> list[Field]:
    """The fields of the mappings that a schema takes, each followed by those inside it; a recursive one only once."""
    return list(_fields(schema, root, (), frozenset()))


def _fields(schema: Any, root: dict[str, Any], path: tuple[str, ...], seen: frozenset[str]) -> Iterator[Field]:
    forms = list(_mappings(schema, root, (), seen))
    chosen = discriminator([form.schema for form in forms])
    for form in forms:
        name = _form_name(form.schema, chosen[0] if chosen else None) if len(forms) > 1 else ""
        for key, inner in form.schema["properties"].items():
            required = key in required_names(form.schema)
            found = Field((*path, *form.way, key), merged(inner, root), required, name)
            yield found
            yield from _fields(inner, root, found.path, form.seen)


def _form_name(schema: dict[str, Any], chooser: str | None) -> str:
    if chooser is None:
        return str(schema.get("title", ""))
    field = schema["properties"][chooser]
    return f"{chooser}: {listed(choices(field), show=flow)}"


def _mappings(schema: Any, root: dict[str, Any], way: tuple[str, ...], seen: frozenset[str]) -> Iterator[_Mapping]:
    if not isinstance(schema, dict) or schema.get("$ref") in seen:
        return
    seen = seen | {schema["$ref"]} if "$ref" in schema else seen
    schema = merged(schema, root)
    if schema.get("properties"):
        yield _Mapping(way, schema, seen)
    for branch in branches(schema):
        yield from _mappings(branch, root, way, seen)
    for inner in (schema.get("items"), *schema.get("prefixItems", ())):
        yield from _mappings(inner, root, (*way, EACH), seen)
    for inner in value_schemas(schema):
        yield from _mappings(inner, root, (*way, ANY_KEY), seen)


def find(schema: dict[str, Any], path: str) -> list[Field]:
    """The fields at `optimizer.lr`, `layers[0].size` or `layers.size`; several where the mapping has several forms.

    Args:
        schema: Of the whole; its `$defs` are where `$ref`s lead.
        path: Names with dots between them; not empty.

    Raises:
        LookupError: There is none; the message says which name is wrong and what is there.
    """
    found = [Field((), schema)]
    for name, index in _PARTS.findall(path):
        part = name or f"[{index}]"
        inside = [new for old in found for new in _entered(old, part, schema, frozenset())]
        if not inside:
            raise LookupError(_nothing(found, part, schema))
        found = [field for number, field in enumerate(inside) if field not in inside[:number]]
    return found


def _entered(outer: Field, part: str, root: dict[str, Any], seen: frozenset[str]) -> Iterator[Field]:
    """Where one part of a path leads; a name goes through lists by itself."""
    here = outer.schema
    if here.get("$ref") in seen:
        return
    seen = seen | {here["$ref"]} if "$ref" in here else seen
    schema = merged(here, root)
    for branch in branches(schema):
        yield from _entered(Field(outer.path, branch), part, root, seen)
    if part.startswith("["):
        for inner in item_schemas(schema, part.strip(EACH)):
            yield Field((*outer.path, EACH), inner, required=True)
    elif name := _property(schema, part):
        required, form = name in required_names(schema), str(schema.get("title", ""))
        yield Field((*outer.path, part), schema["properties"][name], required, form, other_names(schema, part))
    else:
        for inner in value_schemas(schema):
            yield Field((*outer.path, part), inner)
        for inner in item_schemas(schema):
            yield from _entered(Field((*outer.path, EACH), inner), part, root, seen)


def _property(schema: dict[str, Any], name: str) -> str | None:
    """The property that goes by that name."""
    known = schema.get("properties", {})
    return name if name in known else next((other for other in other_names(schema, name) if other in known), None)


def _nothing(found: list[Field], part: str, root: dict[str, Any]) -> str:
    known = [field.path for outer in found for field in _fields(outer.schema, root, (), frozenset())]
    place = f"{written(found[0].path)!r} has" if found[0].path else "there is"
    names = list(dict.fromkeys(path[-1] for path in known if len([item for item in path if item != EACH]) == 1))
    deeper = [written(path) for path in known if path[-1] == part]
    hint = f"did you mean {deeper[0]!r}?" if deeper else near_hint(part, names)
    return f"{place} no {part!r}; {hint or (f'known: {", ".join(names)}' if names else 'nothing is inside it')}"


def rows(schema: dict[str, Any], root: dict[str, Any], at: tuple[str, ...] = ()) -> list[tuple[str, str, str, str]]:
    """The fields inside, each as its path, type, default (or "required") and description; inner ones are indented.

    Args:
        schema: What is described.
        root: Where its `$ref`s lead.
        at: The path that the schema itself is at.
    """
    found: list[tuple[str, str, str, str]] = []
    form = ""
    for field in fields(schema, root):
        indent = "  " * (len([part for part in field.path if part not in (EACH, ANY_KEY)]) - 1)
        if field.form != form and field.form and field.form.partition(":")[0] != field.name:
            found.append((f"{indent}{field.form}:", "", "", ""))
        form = field.form
        about = " ".join(str(field.schema.get("description", "")).split())
        found.append((indent + written((*at, *field.path)), type_text(field.schema, root), default_of(field), about))
    return found


def default_of(field: Field) -> str:
    """`required`, the default, or "" where there is one that only the code knows."""
    if field.required:
        return "required"
    return default_text(field.schema["default"]) if "default" in field.schema else ""


def facts_of(field: Field, root: dict[str, Any]) -> list[tuple[str, str]]:
    """What is known of a field, each fact with its name."""
    schema = merged(field.schema, root)
    facts = [("type", type_text(schema, root)), ("required", "yes" if field.required else "no")]
    facts += [("default", flow(schema["default"]))] if "default" in schema else []
    facts += [("pattern", pattern_words(str(part["pattern"]))) for part in _parts(schema, root) if "pattern" in part]
    facts += [("also", ", ".join(field.aliases))] if field.aliases else []
    facts += [("examples", ", ".join(map(flow, schema["examples"])))] if schema.get("examples") else []
    return facts + ([("note", "deprecated")] if schema.get("deprecated") else [])


def _parts(schema: dict[str, Any], root: dict[str, Any]) -> list[dict[str, Any]]:
    return [schema, *(merged(branch, root) for branch in branches(schema))]


def placed(path: tuple[str, ...], value: Any) -> Any:
    """The value inside the mappings and lists that its path leads through."""
    for part in reversed(path):
        value = [value] if part == EACH else {part: value}
    return value
