"""A status as a flat list of JSON-compatible values, quicker to read than its document. For the index; used by `store`.

Only the version of synapse-spec that has written a row reads it, so its form is free to change.
"""

from dataclasses import astuple, fields
from typing import Any

from synapse_spec.engine.status import Attempt, Identity, RunStatus
from synapse_spec.plugins.outcome import ErrorInfo

_NAMES = tuple(field.name for field in fields(RunStatus))
_IDENTITY, _ATTEMPT, _ERROR, _HISTORY = map(_NAMES.index, ("identity", "attempt", "error", "history"))


def to_row(status: RunStatus) -> list[Any]:
    row = [getattr(status, name) for name in _NAMES]
    return [astuple(value) if isinstance(value, Identity | Attempt | ErrorInfo) else value for value in row]


def from_row(row: list[Any]) -> RunStatus:
    """The status that `to_row` gave."""
    row = [*row]
    row[_IDENTITY] = row[_IDENTITY] and Identity(*row[_IDENTITY])
    row[_ATTEMPT] = row[_ATTEMPT] and Attempt(*row[_ATTEMPT])
    row[_ERROR] = row[_ERROR] and ErrorInfo(*row[_ERROR])
    row[_HISTORY] = tuple(row[_HISTORY])
    return RunStatus(*row)
