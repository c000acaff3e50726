"""Secret values, kept out of all that a run tells.

Used by the engine for what it writes and shows, and by a job's own process: what it tells passes through Ray's hands.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import astuple, fields, replace
from typing import Any

from synapse_spec.plugins.events import Emit, Event
from synapse_spec.plugins.outcome import ErrorInfo, Outcome

_MASK = "***"
# A shorter value would blacken ordinary words, and protects nothing.
_SHORTEST_MASKED = 4


class Masker:
    """Replaces secret values in whatever a run tells.

    Args:
        secrets: The values, by any names.

    Attributes:
        longest: Characters that the longest form of a secret has; 0 without any.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        forms = {form for value in secrets.values() for form in _forms(value) if len(form) >= _SHORTEST_MASKED}
        self._values = sorted(forms, key=len, reverse=True)
        self.longest = len(self._values[0]) if self._values else 0

    def emit(self, emit: Emit) -> Emit:
        """An `emit` that masks before it passes on."""
        if not self._values:
            return emit

        def masked(event: Event) -> None:
            emit(replace(event, **{item.name: self._clean(getattr(event, item.name)) for item in fields(event)}))

        return masked

    def outcome(self, outcome: Outcome) -> Outcome:
        if not self._values:
            return outcome
        error = outcome.error and ErrorInfo(*(self._clean(text) for text in astuple(outcome.error)))
        return replace(outcome, result=self._clean(outcome.result), error=error, metrics=self._clean(outcome.metrics))

    def text(self, text: str) -> str:
        for secret in self._values:
            text = text.replace(secret, _MASK)
        return text

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self._clean(key): self._clean(item) for key, item in value.items()}
        return [self._clean(item) for item in value] if isinstance(value, list) else value


def _forms(value: str) -> Iterator[str]:
    """How a secret may show: as it is, one of its lines, or as Python and JSON write it."""
    yield value
    yield from value.splitlines()
    yield repr(value)[1:-1]
    yield json.dumps(value)[1:-1]
