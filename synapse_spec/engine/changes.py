"""What differs between what a run computed last and what it would compute now, field by field. Pure; used by `plan`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from synapse_spec.spec import references

MISSING = object()

_LONGEST = 40  # characters of a value
_FIELDS = ("action", "entrypoint", "matrix", "params", "env", "runtimeEnv")


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
        if self.part != "spec":
            return self.path
        return f"{self.path} {_shown(self.old, self.new)} -> {_shown(self.new, self.old)}"

    def to_record(self) -> dict[str, Any]:
        old, new = (None if value is MISSING else value for value in (self.old, self.new))
        return {"part": self.part, "path": self.path, "old": old, "new": new}


def field_changes(applied: dict[str, Any], now: dict[str, Any]) -> Iterator[Change]:
    """Fields that differ, mappings key by key.

    Args:
        applied: What was applied last, with references resolved, and as they were written under `references`.
        now: What would be computed, with references as they are written.
    """
    written = applied.get("references", {})
    # The entrypoint is that of the action, which says it all where it is another.
    fields = [name for name in _FIELDS if name != "entrypoint" or applied.get("action") == now.get("action")]
    pending = [(name, applied.get(name, {}), now.get(name, {}), written.get(name, {})) for name in reversed(fields)]
    while pending:  # a loop, since 1,000 levels are allowed
        path, old, new, was = pending.pop()
        if not isinstance(was, dict):
            old = was
        if isinstance(old, dict) and isinstance(new, dict):
            for key in reversed([*new, *(key for key in old if key not in new)]):
                pending.append((f"{path}.{key}", old.get(key, MISSING), new.get(key, MISSING), was.get(key, {})))
        elif MISSING in (old, new) or json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True):
            yield Change("spec", path, old, new)


def _shown(value: Any, other: Any) -> str:
    """A value for people; of a long one the part where it begins to differ from the other."""
    text = _text(value)
    if len(text) <= _LONGEST:
        return text
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(text, _text(other), strict=False)))
    start = max(0, same - _LONGEST // 4) if same > _LONGEST // 2 else 0
    shown = text[start : start + _LONGEST - 3]
    return f"{'...' * (start > 0)}{shown}{'...' * (start + len(shown) < len(text))}"


def _text(value: Any) -> str:
    if value is MISSING:
        return "(not set)"
    if isinstance(value, str):
        return value if references.is_whole(value) else repr(value)
    return json.dumps(value, ensure_ascii=False)
