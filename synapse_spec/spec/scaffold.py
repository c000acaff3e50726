"""The text of a new run spec: every param of an action, with what is known of it as comments. Pure; called by `init`.

Words stand behind `##`, YAML that is commented out behind one `#`: to take one `# ` away from each line, as an editor
does for a selection, gives a spec that says all defaults.
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from synapse_spec.plugins import yaml
from synapse_spec.spec.describe import default_text, flow, merged, printable, required_names, type_text
from synapse_spec.spec.envelope import SPEC
from synapse_spec.spec.example import example, fits
from synapse_spec.spec.fields import rows
from synapse_spec.spec.model import API_VERSION

_WIDTH = 110
_TAIL = {
    "dependsOn": [],
    "env": {"LOG_LEVEL": "debug"},
    "timeout": "2h",
    "retry": {"limit": 2, "backoff": "10s"},
    "resources": {"cpus": 2, "memory": "8GiB"},
}


@dataclass(frozen=True, slots=True)
class NewRun:
    """What the spec is to say.

    Attributes:
        plugin: As the spec names it: {path: …} or {module: …}.
        params: JSON Schema of the params; required ones are left to be filled in.
        modeline: Path of the schema that editors are to use, relative to the spec; None for none.
    """

    name: str
    plugin: dict[str, str]
    action: str
    params: dict[str, Any]
    description: str = ""
    mode: str | None = None
    modeline: str | None = None


def run_name(action: str) -> str:
    """The action's name as an RFC 1123 label."""
    return re.sub(r"[^a-z0-9]+", "-", action.lower())[:63].strip("-") or "run"


def scaffold(new: NewRun) -> str:
    """The text of the spec; valid as soon as what is required has values."""
    head = [f"# yaml-language-server: $schema={new.modeline}", ""] if new.modeline else []
    lines = [
        *head,
        *_prose(new.description, 0),
        f"apiVersion: {API_VERSION}",
        "kind: Run",
        "metadata:",
        f"  name: {flow(new.name)}",
        "spec:",
        f"  plugin: {flow(new.plugin)}",
        f"  action: {flow(new.action)}",
        *([f"  mode: {new.mode}"] if new.mode else []),
        *_params(new.params),
        "",
        *_tail(with_mode=new.mode is None),
    ]
    return "\n".join(lines) + "\n"


def _params(schema: dict[str, Any]) -> Iterator[str]:
    known = schema.get("properties", {})
    if not known:
        closed = schema.get("additionalProperties") is False
        yield f"  # params: {{}}   # {'it takes none' if closed else 'it takes any, and says nothing of them'}"
        return
    required = required_names(schema)
    yield "  params:" if any(_is_live(known[name], schema) for name in required) else "  # params:"
    for number, name in enumerate([*required, *(name for name in known if name not in required)]):
        yield from [""] if number else []
        yield from _lines(name, known[name], schema, _State(2, name in required))


@dataclass(frozen=True, slots=True)
class _State:
    """Where a field stands: its depth, whether it must be given, what its mapping's default gives it, in a list."""

    depth: int
    required: bool
    given: tuple[Any, ...] = ()
    seen: frozenset[str] = frozenset()


def _lines(name: str, field: Any, root: dict[str, Any], state: _State) -> Iterator[str]:
    """One field: what it is for, then its key with a value, or without one where a value has to be filled in."""
    schema, depth = merged(field, root), state.depth
    facts = type_text(schema, root) + (", required" if state.required else "")
    facts += ", deprecated" if schema.get("deprecated") else ""
    yield from _prose(schema.get("description", ""), depth)
    if state.required and not state.given:
        yield from _to_fill_in(name, schema, root, facts, state)
        return
    value, note = _value(schema, root, state.given)
    if not value:
        yield from _prose(f"{name}: {facts}{note}", depth)
    elif isinstance(value[0], dict) and value[0] and not value[0].keys() - schema.get("properties", {}).keys():
        yield from _key(f"# {flow(name)}:", facts + note, depth)
        yield from _inside(schema, root, state, value[0])
    else:
        yield from _forms(name, schema, root, depth)
        yield from _with_value(name, value[0], facts + note, depth)


def _to_fill_in(name: str, schema: dict[str, Any], root: dict[str, Any], facts: str, state: _State) -> Iterator[str]:
    """A required field; one that takes null is left out, since else it would count as given."""
    ref = schema.get("$ref", "")
    nested = "properties" in schema and ref not in state.seen
    if not nested:
        yield from _forms(name, schema, root, state.depth)
    yield from _key(f"{flow(name)}:" if _is_live(schema, root) else f"# {flow(name)}:", facts, state.depth)
    if nested:
        yield from _inside(schema, root, replace(state, seen=state.seen | ({ref} if ref else set())), {})


def _is_live(schema: dict[str, Any], root: dict[str, Any]) -> bool:
    return not fits(None, schema, root)


def _inside(schema: dict[str, Any], root: dict[str, Any], state: _State, values: dict[str, Any]) -> Iterator[str]:
    """The fields of a mapping, below its key."""
    required = required_names(schema)
    for name in sorted(schema["properties"], key=lambda name: name not in required):
        given = (values[name],) if name in values else ()
        inner = replace(state, depth=state.depth + 1, required=name in required, given=given)
        yield from _lines(name, schema["properties"][name], root, inner)


def _value(schema: dict[str, Any], root: dict[str, Any], given: tuple[Any, ...]) -> tuple[list[Any], str]:
    """What to write behind the key, in a list, and what to say of it where that is not the default itself."""
    default = [*given, schema["default"]][:1] if "default" in schema else [*given]
    if default and fits(default[0], schema, root):
        return default, ""
    note = f"; default {default_text(default[0])}" if default else "; the default is made by the plugin's code"
    bare = {key: item for key, item in schema.items() if key != "default"}
    nothing: list[Any] = [[], {}]
    return [value for value in nothing if fits(value, bare, root)][:1] or example(bare, root), note


def _key(text: str, facts: str, depth: int) -> Iterator[str]:
    """A key with what is known of it behind it, or above it where there is no room."""
    behind = f"   # {printable(facts)}"
    if 2 * depth + len(text + behind) > _WIDTH:
        yield from _prose(facts, depth)
        behind = ""
    yield "  " * depth + text + behind


def _with_value(name: str, value: Any, facts: str, depth: int) -> Iterator[str]:
    line, block = f"# {flow(name)}: {flow(value)}", yaml.dump({name: value}).removesuffix("\n").split("\n")
    is_text = isinstance(value, str) and "\n" in value
    # A block that keeps its last line ends would keep those that follow it too.
    if any(part.endswith("+") for part in block) or (not is_text and 2 * depth + len(line) <= _WIDTH):
        yield from _key(line, facts, depth)
        return
    yield from _prose(facts, depth)
    yield from ("  " * depth + (f"# {part}" if part else "#") for part in block)


def _forms(name: str, schema: dict[str, Any], root: dict[str, Any], depth: int) -> Iterator[str]:
    """What may stand inside a value that is not written out."""
    for path, kind, default, about in rows(schema, root, (name,)):
        if not kind:  # the name of a form
            yield from _prose(path.strip(), depth)
            continue
        facts = [kind, default if default in ("", "required") else f"default {default}"]
        said = ", ".join(fact for fact in facts if fact)
        yield from _prose(f"{path.strip()}: {said}{about and '. '}{about}", depth)


def _tail(*, with_mode: bool) -> Iterator[str]:
    yield from _prose("How it runs; 'synapse explain run.spec' says more.", 1)
    known = SPEC["properties"]
    shown = ({"mode": "local"} if with_mode else {}) | _TAIL
    for name, value in shown.items():
        yield from _key(f"# {name}: {flow(value)}", str(known[name]["description"]), 1)


def _prose(text: str, depth: int) -> Iterator[str]:
    return (("  " * depth + f"## {line}").rstrip() for line in _wrapped(text, 2 * depth + 3))


def _wrapped(text: str, used: int) -> list[str]:
    """The lines of a text, none too long."""
    lines = []
    for line in map(printable, str(text).strip().splitlines()):
        indent = " " * (len(line) - len(line.lstrip()))
        lines += textwrap.wrap(line, _WIDTH - used, subsequent_indent=indent, break_long_words=False) or [""]
    return lines
