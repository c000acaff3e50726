"""The JSON Schema of a RunStatus document: what `RunStatus.from_document` relies on. Pure data, used by the store."""

from typing import Any

from synapse_spec.engine import status
from synapse_spec.spec.model import API_VERSION

_TEXT: dict[str, Any] = {"type": "string"}
_MAP: dict[str, Any] = {"type": "object"}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 1}
_SECONDS: dict[str, Any] = {"type": "number"}
_TIME: dict[str, Any] = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}
_MODE: dict[str, Any] = {"enum": ["local", "task", "job"]}


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """Other fields are let be: a newer synapse may have written them."""
    return {"type": "object", "properties": properties, "required": list(required)}


_ATTEMPT = _object(
    {
        "number": _COUNT,
        "handle": _TEXT,
        "cluster": _TEXT,
        "startedAt": _TIME,
        "finishedAt": _TIME,
        "durationSeconds": _SECONDS,
        "outcome": _TEXT,
    },
    "number",
    "handle",
    "startedAt",
)

_INPUTS = _object(
    {"spec": _TEXT, "code": _TEXT, "runs": {"type": "object", "additionalProperties": _TEXT}}, "spec", "code", "runs"
)

_HISTORY = _object({"digest": _TEXT, "reason": _TEXT, "attempt": _COUNT}, "digest", "reason", "attempt")

_STATUS = _object(
    {
        "phase": {"enum": sorted(status.PHASES)},
        "reason": _TEXT,
        "message": _TEXT,
        "conditions": {"type": "array", "items": _object({"lastTransitionTime": {"type": ["string", "null"]}})},
        "observedDigest": _TEXT,
        "inputs": _INPUTS,
        "acceptedFrom": _TEXT,
        "lastApplied": _MAP,
        "mode": _MODE,
        "attempt": _ATTEMPT,
        "metrics": _MAP,
        "error": _object({"type": _TEXT, "message": _TEXT, "traceback": _TEXT}, "type", "message"),
        "plugin": _MAP,
        "provenance": _MAP,
        "logs": _TEXT,
        "requested": _TEXT,
        "history": {"type": "array", "items": _HISTORY},
    },
    "phase",
    "reason",
)
_STATUS["dependentRequired"] = {"inputs": ["observedDigest"], "attempt": ["inputs", "mode"]}
_CHILD = _STATUS | {"properties": {"name": _TEXT, **_STATUS["properties"]}, "required": ["name", "phase", "reason"]}
_STATUS["properties"]["children"] = {"type": "array", "minItems": 1, "items": _CHILD}

STATUS = _object(
    {
        "apiVersion": {"const": API_VERSION},
        "kind": {"const": "RunStatus"},
        "metadata": _object({"name": _TEXT}, "name"),
        "status": _STATUS,
    },
    "apiVersion",
    "kind",
    "metadata",
    "status",
)
