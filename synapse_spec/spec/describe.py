"""What a schema takes, for people: types with their limits in words, values on one line. Pure.

Called by `fields` and `scaffold`, and by `inspect` and `explain` of the command line.
"""

import json
from typing import Any

from synapse_spec.plugins import yaml
from synapse_spec.spec.wording import followed, short

_NAMES = {"object": "mapping", "array": "list"}
_LONGEST = 40
_OF_TEXTS = {
    "formatExclusiveMinimum": "more than {}",
    "formatMinimum": "at least {}",
    "formatMaximum": "at most {}",
    "formatExclusiveMaximum": "less than {}",
    "decimalMultipleOf": "a multiple of {}",
    "decimalPlaces": "at most {} decimal places",
    "maxDigits": "at most {} digits",
    "minBytes": "at least {} bytes",
    "maxBytes": "at most {} bytes",
}


def merged(schema: Any, root: dict[str, Any]) -> dict[str, Any]:
    """The schema that is behind a `$ref`, with what stands beside the `$ref`."""
    return followed(schema, root) | schema if isinstance(schema, dict) else {}


def item_schemas(schema: dict[str, Any], index: str = "") -> list[dict[str, Any]]:
    """What a list takes as items, or as the item with that index."""
    first, rest = schema.get("prefixItems", []), schema.get("items")
    at_index = first[int(index)] if index and int(index) < len(first) else rest
    found = [at_index] if index else [*first, rest]
    return [item for item in found if isinstance(item, dict)]


def branches(schema: dict[str, Any]) -> list[Any]:
    """The forms that a value may have."""
    words = ("anyOf", "oneOf") if "type" in schema else ("anyOf", "oneOf", "allOf")
    return [branch for word in words for branch in schema.get(word, ())]


def value_schemas(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """What a mapping takes under keys that are free."""
    patterns = {} if "properties" in schema else schema.get("patternProperties", {})
    return [item for item in (*patterns.values(), schema.get("additionalProperties")) if isinstance(item, dict)]


def required_names(schema: dict[str, Any]) -> list[str]:
    """The properties that a mapping must have; one that goes by several names too."""
    known = schema.get("properties", {})
    found = [name for names, needed in _names(schema) if needed for name in names if name in known]
    return [*schema.get("required", ()), *found]


def other_names(schema: dict[str, Any], name: str) -> tuple[str, ...]:
    """By which a property may be given as well."""
    return tuple(other for names, _ in _names(schema) if name in names for other in names if other != name)


def _names(schema: dict[str, Any]) -> list[tuple[list[str], bool]]:
    """The names of each property that goes by several, as the schemas of params say it, and whether it is required."""
    found = []
    for rule in schema.get("allOf", ()):
        ways = rule.get("oneOf") or rule.get("anyOf") or []
        given = [way["required"] for way in ways if way.keys() == {"required"}]
        if given and len(given) >= len(ways) - 1:
            found.append(([name for names in given for name in names], len(given) == len(ways)))
    return found


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{flow(key)}: {flow(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(flow, value))}]"
    text = yaml.dump(value).removesuffix("\n")
    plain = not isinstance(value, str) or (text.isprintable() and not set(text) & set(",:[]{}"))
    if plain:
        return text
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in quoted)


def printable(text: str) -> str:
    """One line without what a comment may not hold, or what a terminal would obey."""
    return "".join(char if char.isprintable() else " " if char.isspace() else "\ufffd" for char in text)


def default_text(value: Any) -> str:
    """A default, whole if it is short."""
    text = flow(value)
    return text if len(text) <= _LONGEST else short(value)


def choices(schema: dict[str, Any]) -> list[Any]:
    """The only values that are taken; [] where they are not listed."""
    return list(schema.get("enum", [schema["const"]] if "const" in schema else ()))


def type_text(schema: Any, root: dict[str, Any], seen: frozenset[str] = frozenset()) -> str:
    """What is taken, limits included: `integer (at least 1) or null`, `list of Layer`, `adam | sgd`."""
    if not isinstance(schema, dict):
        return "any value"
    if "$ref" in schema:
        name, target = str(schema["$ref"]).rpartition("/")[2], followed(schema, root)
        is_named = "properties" in target or name in seen
        return str(target.get("title", name)) if is_named else type_text(target, root, seen | {name})
    if several := branches(schema):
        return " or ".join(dict.fromkeys(type_text(branch, root, seen) for branch in several))
    if options := choices(schema):
        return " | ".join(map(flow, options))
    kinds = schema.get("type", ())
    words = [_one_type(kind, schema, root, seen) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return " or ".join(words) or "any value"


def _one_type(kind: str, schema: dict[str, Any], root: dict[str, Any], seen: frozenset[str]) -> str:
    said = ", ".join(limits(schema, kind))
    text = _NAMES.get(kind, kind) + (f" ({said})" if said else "")
    if kind == "array" and "prefixItems" in schema:
        return f"[{', '.join(type_text(item, root, seen) for item in schema['prefixItems'])}]"
    inner = item_schemas(schema) if kind == "array" else value_schemas(schema) if kind == "object" else []
    return f"{text} of {' or '.join(type_text(item, root, seen) for item in inner)}" if any(inner) else text


def limits(schema: dict[str, Any], kind: str) -> list[str]:
    """What is asked of a value of that kind beside being one, in words."""
    get, found = schema.get, []
    if kind in ("integer", "number"):
        found += [f"more than {get('exclusiveMinimum')}"] if "exclusiveMinimum" in schema else []
        found.append(_between(get("minimum"), get("maximum")))
        found += [f"less than {get('exclusiveMaximum')}"] if "exclusiveMaximum" in schema else []
        found += [f"a multiple of {get('multipleOf')}"] if "multipleOf" in schema else []
    elif kind == "string":
        found.append(_count(get("minLength"), get("maxLength"), "character"))
        found.append(str(get("format", "")))
        found.append(_pattern(schema) if "pattern" in schema else "")
        found += [words.format(schema[keyword]) for keyword, words in _OF_TEXTS.items() if keyword in schema]
    elif kind == "array":
        found.append("" if "prefixItems" in schema else _count(get("minItems"), get("maxItems"), "item"))
        found += ["none twice"] if get("uniqueItems") else []
    elif kind == "object":
        found.append(_count(get("minProperties"), get("maxProperties"), "key"))
    return [words for words in found if words]


def _pattern(schema: dict[str, Any]) -> str:
    if words := schema.get("patternErrorMessage"):
        return str(words).removeprefix("must be ")
    pattern = str(schema["pattern"])
    return f"matches {pattern}" if len(pattern) <= _LONGEST else "matches a pattern"


def pattern_words(pattern: str) -> str:
    """What a regular expression asks of a text; those of JSON Schema may match anywhere in it."""
    begins, ends = pattern.startswith("^"), pattern.endswith("$") and not pattern.endswith("\\$")
    if _has_branches(pattern):  # its ends belong to its branches
        return f"a part of it matches {pattern}"
    inner = pattern.removeprefix("^")
    inner = inner[:-1] if ends else inner
    where = {(True, True): "the whole of it", (True, False): "its beginning", (False, True): "its end"}
    return f"{where.get((begins, ends), 'a part of it')} matches {inner}"


def _has_branches(pattern: str) -> bool:
    """Whether there is a `|` outside of all groups and sets."""
    depth, escaped, in_set = 0, False, False
    for char in pattern:
        if escaped or char == "\\":
            escaped = not escaped
        elif in_set or char == "[":
            in_set = char != "]"
        elif char == "|" and depth == 0:
            return True
        else:
            depth += {"(": 1, ")": -1}.get(char, 0)
    return False


def _between(least: Any, most: Any) -> str:
    if least is None and most is None:
        return ""
    if least is None or most is None:
        return f"at most {most}" if least is None else f"at least {least}"
    return f"{least} to {most}" if least != most else str(least)


def _count(least: Any, most: Any, noun: str) -> str:
    if most is None and least in (None, 0):
        return ""
    if most is None and least == 1:
        return "not empty"
    said = _between(least or None, most)
    return f"{said} {noun if said.split()[-1] == '1' else noun + 's'}"
