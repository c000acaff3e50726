"""What a value is, and how it is written: YAML 1.1 takes `on` for true and `012` for 10, and 1.10 is 1.1.

Used by `validate`, which warns of what is valid and may be meant otherwise, by `load` and by `wording` for the way out.
The quick look at a run that holds none of it, which is nearly every run, imports nothing more.
"""

import re
from collections.abc import Iterator, Sequence, Set
from itertools import chain
from typing import Any

from synapse_spec.plugins import yaml
from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec.check import dotted
from synapse_spec.spec.diagnostics import Diagnostic
from synapse_spec.spec.load import diagnose, written
from synapse_spec.spec.model import Run

# Not y and n: YAML 1.1 takes them for booleans, but the readers that people know never did, and `axis: y` is common.
# Not 1:30 either: that it is 90 minutes there surprises everybody, and nobody means it.
_OTHERWISE = re.compile(
    r"(?P<true>on|On|ON|yes|Yes|YES)|(?P<false>off|Off|OFF|no|No|NO)"
    r"|[-+]?(?:(?P<octal>0[0-7_]{1,60})|0b(?P<binary>[01][01_]{,60})|(?P<grouped>[1-9][0-9_]{,60}_[0-9_]{,60}))"
)
_CONSTANT = re.compile(r"(?i)[-+.]*[0-9][-+.0-9a-z]{,60}|true|false|null")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?(e[-+]?[0-9]+)?")


def older_reading(text: str) -> tuple[str, ...]:
    """How to write, so that every reader agrees, what YAML 1.1 takes a plain text for; () if it is text there too.

    `on` gives `true`; `012` gives `12` and, since it is 10 there, `0o12`.
    """
    match = _OTHERWISE.fullmatch(text)
    if match is None:
        return ()
    form = str(match.lastgroup)
    if form in ("true", "false"):
        return (form,)
    sign, digits = "-" * text.startswith("-"), match[form].replace("_", "")
    if form == "binary":
        return (f"{sign}{int(digits, 2)}",)
    digits = digits.lstrip("0") or "0"
    return (sign + digits, f"{sign}0o{digits}") if form == "octal" and len(digits) > 1 else (sign + digits,)


def without_quotes(text: str, kinds: list[str]) -> str | None:
    """What a string stands for, where that is what is asked for: "3" for 3, yes for true."""
    word = text.strip().lower()
    if "boolean" in kinds and word in ("yes", "on", "true", "y"):
        return "true"
    if "boolean" in kinds and word in ("no", "off", "false", "n"):
        return "false"
    if {"number", "integer"} & set(kinds) and (readings := older_reading(text)):
        return " or ".join(readings)
    form = _NUMBER if "number" in kinds else _INTEGER if "integer" in kinds else None
    if not form or not form.fullmatch(word):
        return None
    return f"{word[:60]} without quotes" if word == text else word[:60]


def unglued(path: Sequence[str | int]) -> str | None:
    """The way out where a key has swallowed its value, as in `{lr:0.1}`."""
    key, colon, value = str(path[0]).partition(":") if path else ("", "", "")
    return f"put a blank after the colon: '{key[:40]}: {value[:40]}'" if key and colon and value else None


def as_written(message: str, hint: str | None, source: str) -> tuple[str, str | None]:
    """Both with a number or constant as the file has it: 1.10 rather than 1.1.

    Args:
        message: About the value.
        hint: As above.
        source: The value as it is written.
    """
    from synapse_spec.spec.wording import short

    if not _CONSTANT.fullmatch(source):
        return message, hint
    value = yaml.parse(source.encode())[0]
    if isinstance(value, str):
        return message, hint
    shown = short(value)
    said = re.compile(rf"(?:^|(?<=: )){re.escape(shown)}(?= )")
    message = said.sub(lambda _: source, message, count=1)
    return message, hint and hint.replace(f'"{shown}"', f'"{source}"').replace(f"[{shown}]", f"[{source}]")


def warnings(run: Run, params: dict[str, Any], said: Set[str | None]) -> Iterator[Diagnostic]:
    """Warnings, for values that have no error.

    Args:
        run: The run.
        params: The schema of its params.
        said: Pointers of what has an error.
    """
    places = set()
    for item in chain(_texts(run, params), _env(run)):
        if item.pointer not in said and item.span not in places:  # an alias stands where its anchor does
            places.add(item.span)
            yield item


def _texts(run: Run, params: dict[str, Any]) -> Iterator[Diagnostic]:
    for path, text in _suspects(run.params):
        if written(run, ("spec", "params", *path)) != text:  # it is quoted
            continue
        from synapse_spec.spec import wording

        kinds = wording.kinds_at(params, path)
        if wording.short(text) in kinds:  # one of the words that the param asks for
            continue
        readings = older_reading(text)
        takes = {"boolean"} if readings[0] in ("true", "false") else {"integer", "number"}
        ways = f", or write {' or '.join(readings)}" if not kinds or takes & set(kinds) else ""
        message = f"{dotted(path)}: {text} is text here; YAML 1.1 takes it for {_value(readings)}"
        path = ("spec", "params", *path)
        yield diagnose(run, "SS109", message, path, hint=f'quote it: "{text}"{ways}', severity="warning")


def _value(readings: tuple[str, ...]) -> str:
    """The value that YAML 1.1 makes of it."""
    return str(int(readings[-1], 0)) if readings[1:] else readings[0]


def _suspects(params: Any) -> Iterator[tuple[KeyPath, str]]:
    pending: list[tuple[KeyPath, Any]] = [((), params)]
    while pending:
        path, item = pending.pop()
        for key, value in item.items() if type(item) is dict else enumerate(item):
            kind = type(value)
            if kind is str:
                if _OTHERWISE.fullmatch(value):
                    yield (*path, key), value
            elif kind is dict or kind is list:
                pending.append(((*path, key), value))


def _env(run: Run) -> Iterator[Diagnostic]:
    """Numbers and booleans that become another text than the one that was written."""
    for name, value in run.spec.get("env", {}).items():
        if isinstance(value, int | float):
            path: KeyPath = ("spec", "env", name)
            source, text = written(run, path), run.env[name]
            if source and source != text and "${{" not in source:
                kind = "boolean" if isinstance(value, bool) else "number"
                message = f"{dotted(path)}: {source} is a {kind}, and becomes the text '{text}'"
                yield diagnose(run, "SS109", message, path, hint=f'quote it: "{source}"', severity="warning")
