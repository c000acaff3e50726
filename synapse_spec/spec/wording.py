"""How schemas and what does not fit them are said in words. Pure; called where something has to be said."""

import json
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Any, Protocol

from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec.formats import refusal
from synapse_spec.spec.yaml11 import unglued, without_quotes

_LONGEST = 60
_MOST_OPTIONS = 1000  # that a misspelt word is held against
_KINDS = {"object": "mapping", "array": "list"}
_LEAVES = ("string", "number", "integer", "boolean", "array")
_ARTICLES = {"integer": "an", "number": "a", "string": "a", "boolean": "a", "mapping": "a", "list": "a"}


class Failure(Protocol):
    """What is read of a ValidationError of jsonschema."""

    validator: str
    validator_value: Any
    instance: Any
    schema: dict[str, Any]
    path: Sequence[str | int]
    absolute_path: Iterable[str | int]
    schema_path: Sequence[str | int]
    absolute_schema_path: Iterable[str | int]
    context: "Sequence[Failure]"


def said(error: Failure) -> str:
    """What is wrong with the value."""
    value, limit = short(error.instance), error.validator_value
    words = {
        "type": lambda: f"{value} is not {kind(error.schema)}",
        "enum": lambda: f"{value} is none of {listed(limit)}",
        "const": lambda: f"{value} must be {short(limit)}",
        "minimum": lambda: f"{value} is less than the minimum of {limit}",
        "maximum": lambda: f"{value} is greater than the maximum of {limit}",
        "exclusiveMinimum": lambda: f"{value} must be greater than {limit}",
        "exclusiveMaximum": lambda: f"{value} must be less than {limit}",
        "multipleOf": lambda: f"{value} is not a multiple of {limit}",
        "pattern": lambda: f"{value} {error.schema.get('patternErrorMessage') or f'does not match {limit}'}",
        "minLength": lambda: "must not be empty" if limit == 1 else f"{value} is shorter than {limit} characters",
        "maxLength": lambda: f"{value} is longer than {_count(limit, 'character')}",
        "minItems": lambda: f"{_count(len(error.instance), 'item')}; at least {limit} must be given",
        "maxItems": lambda: f"{_count(len(error.instance), 'item')}; at most {limit} may be given",
        "uniqueItems": lambda: f"{_repeated(error.instance)} is given twice",
        "minProperties": lambda: f"{_of_properties(error.schema)} must be given",
        "maxProperties": lambda: f"only {_of_properties(error.schema, 'and')} may be given",
        "oneOf": lambda: f"{value} fits more than one of the forms that it may have",
    }
    if error.validator in words:
        return words[error.validator]()
    if refused := refusal(error.validator, limit):
        return f"{value} {refused}"
    return f"{value} does not fit {error.validator}: {short(limit)}"


def help_with(error: Failure) -> str | None:
    """The way out for a value of the wrong kind, else what the schema says of it."""
    value, schema = error.instance, error.schema
    if error.validator == "type":
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if value is None:
            return unglued(list(error.absolute_path)[-1:]) or "give it a value, or leave the key out"
        if "string" in kinds and not isinstance(value, dict | list):
            return f'quote it: "{short(value)}"' if "…" not in short(value) else "quote it"
        if kinds == ["object"] and isinstance(value, list):
            return "write 'key: value' instead of a list"
        if "array" in kinds and isinstance(value, str) and re.match(r"-\S", value):
            return f"put a blank after the dash: '- {cut(value.split()[0][1:])}'"
        if isinstance(value, str) and (meant := without_quotes(value, kinds)):
            return f"write {meant}"
        if "array" in kinds and not isinstance(value, dict):
            return f"write [{cut(value) if isinstance(value, str) else short(value)}]"
    if error.validator == "enum" and (near := near_hint(error.instance, error.validator_value)):
        return near
    return described(schema)


def how_to_add(schema: dict[str, Any], name: str, root: dict[str, Any]) -> str:
    """How a missing key is given."""
    field = _field(schema, name, root)
    if "const" in field:
        return f"add '{name}: {field['const']}'"
    facts = _facts(field, root)
    about = described(field)
    return f"add '{name}'" + (f" ({facts})" if facts else "") + (f": {about}" if about else "")


def suggest(name: str, given: dict[str, Any], schema: dict[str, Any], root: dict[str, Any]) -> tuple[str, str | None]:
    """What to write instead of an unknown key, and the known key that it comes close to, if it does."""
    known = list(schema.get("properties", {}))
    if given[name] is None and (hint := unglued([name])):
        return hint, None
    meant = _closest(name, [item for item in known if item not in given])
    if meant is None:
        patterns = " or ".join(schema.get("patternProperties", ()))
        other = f"a key here matches {patterns}" if patterns else "nothing is taken here"
        return f"known here: {', '.join(known)}" if known else other, None
    facts = _facts(_field(schema, meant, root), root)
    return f"did you mean {meant!r}?" + (f" ({facts})" if facts else ""), meant


def unknown_names(instance: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    patterns = [re.compile(pattern) for pattern in schema.get("patternProperties", {})]
    known = schema.get("properties", {})
    return [name for name in instance if name not in known and not any(item.search(name) for item in patterns)]


def near_hint(value: Any, options: Iterable[Any]) -> str | None:
    meant = _closest(short(value) if isinstance(value, dict | list) else str(value), list(map(str, options)), 0.6)
    return f"did you mean {meant!r}?" if meant else None


def near(word: str, options: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The option that comes closest to a word; None where none is close, or nobody would write such a word."""
    found = get_close_matches(word, islice(options, _MOST_OPTIONS), 1, cutoff) if len(word) <= 2 * _LONGEST else []
    return found[0] if found else None


def described(schema: dict[str, Any]) -> str | None:
    """The schema's description, and its default."""
    about = str(schema.get("description", "")).strip().split("\n")[0]
    if schema.get("default") is None:
        return about or None
    default = f"default {_literal(schema['default'])}"
    return f"{about.removesuffix('.')} ({default})" if about else default


def kind(schema: Any, root: dict[str, Any] | None = None) -> str:
    """`an integer`, `a string or null`: what the schema takes, with articles."""
    names = _kinds(schema, root or {})
    if not names:
        return "of a form that is taken here"
    return listed([f"{_ARTICLES[name]} {name}" if name in _ARTICLES else name for name in names], "or", str)


def kinds_at(schema: dict[str, Any], path: KeyPath) -> list[str]:
    """The kinds of value that are taken at a path, without articles; [] where the schema says nothing."""
    found, lacking = follow(schema, path)
    return _kinds(found, schema) if lacking is None else []


def followed(schema: Any, root: Any) -> dict[str, Any]:
    """The schema itself behind `$ref`s into `$defs`."""
    while isinstance(schema, dict) and str(schema.get("$ref", "")).startswith("#/$defs/"):
        schema = root.get("$defs", {}).get(schema["$ref"].removeprefix("#/$defs/"))
    return dict(schema) if isinstance(schema, dict) else {}


def follow(schema: Any, path: KeyPath) -> tuple[Any, KeyPath | None]:
    """The schema at a path; or the one that lacks a part, and the path to that part. (None, None): nothing is known."""
    node: Any = schema
    for depth, part in enumerate(path, 1):
        node = _present(followed(node, schema), schema)
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
    forms = [form for form in (followed(branch, root) for branch in branches) if form.get("type") != "null"]
    return forms[0] if len(forms) == 1 else {}


def inlined(schema: Any, root: Any) -> dict[str, Any]:
    """The schema with the `$ref`s of its own branches followed, so that it can be read without its root."""
    found = followed(schema, root)
    for word in ("anyOf", "oneOf"):
        if word in found:
            found[word] = [inlined(branch, root) for branch in found[word]]
    return found


def discriminator(schemas: Sequence[dict[str, Any]]) -> tuple[str, list[Any]] | None:
    """The property whose constant tells the forms of a mapping apart, with its values."""
    forms = [schema for schema in schemas if "properties" in schema]
    for name in forms[0]["properties"] if len(forms) > 1 else ():
        values = [constants(form, name) for form in forms]
        flat = [value for each in values for value in each]
        if all(values) and len({str(value) for value in flat}) == len(flat):
            return name, flat
    return None


def choices(schemas: Iterable[dict[str, Any]]) -> list[Any]:
    """The values that these branches list."""
    return [value for schema in schemas for value in schema.get("enum", [schema["const"]] if "const" in schema else ())]


def constants(schema: dict[str, Any], name: str) -> list[Any]:
    """The only values that property `name` may have; [] where it is free."""
    field = schema.get("properties", {}).get(name, {})
    return [field["const"]] if "const" in field else list(field.get("enum", ()))


def listed(items: Iterable[Any], last: str = "or", show: Any = None) -> str:
    """`a, b or c`."""
    words = [(show or short)(item) for item in items]
    return f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def short(value: Any) -> str:
    """A value as a message may show it."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value[: 2 * _LONGEST] if isinstance(value, str) else value)
    return text if len(text) <= _LONGEST else f"{cut(text[:-1], _LONGEST - 1)}{text[-1]}"


def cut(text: str, limit: int = _LONGEST) -> str:
    """A text that may be of any length, as a message may show it."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _literal(value: Any) -> str:
    """A default, whole if it is short."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return short(value) if isinstance(value, str) or len(text) > 40 else text


def _facts(field: dict[str, Any], root: dict[str, Any]) -> str:
    """`number, default 0.001`."""
    facts = [listed(_kinds(field, root), "or", str)]
    if field.get("default") is not None:
        facts.append(f"default {_literal(field['default'])}")
    return ", ".join(fact for fact in facts if fact)


def _kinds(schema: Any, root: dict[str, Any]) -> list[str]:
    """The kinds of value that a schema takes, without articles; [] where it says nothing."""
    schema = followed(schema, root) if isinstance(schema, dict) and "$ref" in schema else schema
    if not isinstance(schema, dict):
        return []
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        parts = [_kinds(branch, root) for branch in branches]
        return list(dict.fromkeys(name for part in parts for name in part)) if all(parts) else []
    if "const" in schema:
        return [short(schema["const"])]
    if "enum" in schema:
        return [short(value) for value in schema["enum"]]
    kinds = schema.get("type", ())
    return [_KINDS.get(name, name) for name in ([kinds] if isinstance(kinds, str) else kinds)]


def _field(schema: dict[str, Any], name: str, root: dict[str, Any]) -> dict[str, Any]:
    field = schema.get("properties", {}).get(name, {})
    return followed(field, root) | field if isinstance(field, dict) else {}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _closest(name: str, options: list[str], cutoff: float = 0.7) -> str | None:
    """The option that comes close to `name`, however they are written: runtime_env is runtimeEnv."""
    plain = {re.sub(r"[-_\s]", "", option).casefold(): option for option in options}
    meant = near(re.sub(r"[-_\s]", "", name).casefold(), plain, cutoff) if len(name) <= _LONGEST else None
    return plain[meant] if meant is not None else None


def _of_properties(schema: dict[str, Any], last: str = "or") -> str:
    known = schema.get("properties", {})
    return f"one of {listed(known, last)}" if schema.get("additionalProperties") is False else "at least one key"


def _repeated(items: list[Any]) -> str:
    seen = set()
    for item in items:
        text = json.dumps(item, sort_keys=True)
        if text in seen:
            return short(item)
        seen.add(text)
    return "an item"
