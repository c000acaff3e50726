"""What differs between what a run computed last and what it would compute now, field by field. Pure; used by `plan`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from synapse_spec.spec import references

MISSING = object()

_LONGEST = 40  # characters of a value
_FIELDS = ("action", "matrix", "params", "env", "runtimeEnv")


@dataclass(frozen=True, slots=True)
class Change:
    """What differs from the last attempt.

    Attributes:
        part: "spec", "code" or "inputs", as in `rerunOn`.
        path: The dotted path of a field; a file of the code; the name of a run.
        old, new: The values of a field, MISSING where it has none.
    """

    part: str
    path: str
    old: Any = None
    new: Any = None

    def __str__(self) -> str:
        return f"{self.path} {_shown(self.old)} -> {_shown(self.new)}" if self.part == "spec" else self.path

    def to_record(self) -> dict[str, Any]:
        old, new = (None if value is MISSING else value for value in (self.old, self.new))
        return {"part": self.part, "path": self.path, "old": old, "new": new}


def field_changes(applied: dict[str, Any], now: dict[str, Any]) -> Iterator[Change]:
    """Fields that differ, mappings key by key.

    Args:
        applied: What was applied last, with references resolved.
        now: What would be computed, with references as they are written.
    """
    pending = [(name, applied.get(name, {}), now.get(name, {})) for name in reversed(_FIELDS)]
    while pending:  # a loop, since 1,000 levels are allowed
        path, old, new = pending.pop()
        if isinstance(old, dict) and isinstance(new, dict):
            keys = [*new, *(key for key in old if key not in new)]
            pending.extend((f"{path}.{key}", old.get(key, MISSING), new.get(key, MISSING)) for key in reversed(keys))
        elif not _may_stand_for(new, old):
            yield Change("spec", path, old, new)


def _may_stand_for(written: Any, value: Any) -> bool:
    """Whether a value that was applied is the one that is written, or may be what its references gave."""
    pending = [(written, value)]
    while pending:
        new, old = pending.pop()
        if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
            pending.extend(zip(new, old, strict=True))
        elif isinstance(new, dict) and isinstance(old, dict) and new.keys() == old.keys():
            pending.extend((new[key], old[key]) for key in new)
        elif isinstance(new, str) and "${{" in new and old is not MISSING:
            if not (references.is_whole(new) or (isinstance(old, str) and _fits(new, old))):
                return False
        elif repr(new) != repr(old):  # 1, 1.0 and true are equal to Python, and are three values
            return False
    return True


def _fits(written: str, text: str) -> bool:
    """Whether a text has all that is written around references, in order."""
    first, *inner, last = references.resolve(written, lambda _: "\0").split("\0")
    start, end = len(first), len(text) - len(last)
    for piece in inner:
        found = text.find(piece, start, end)
        if found < 0:
            return False
        start = found + len(piece)
    return start <= end and text.startswith(first) and text.endswith(last)


def _shown(value: Any) -> str:
    if value is MISSING:
        return "(not set)"
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
