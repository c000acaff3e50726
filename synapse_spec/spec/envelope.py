"""The JSON Schema of a Run document without its params, which depend on the plugin. Pure data.

`patternErrorMessage` says in words what a pattern takes; editors show it, and so do our diagnostics. For editors alone
are `enumDescriptions`, and `markdownDescription` where a diagnostic is better off without a description.
"""

from typing import Any

from synapse_spec.plugins.enums import ExecutionMode
from synapse_spec.spec.model import API_VERSION, RETRIABLE
from synapse_spec.spec.quantities import DURATION_PATTERN, SIZE_PATTERN

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"  # RFC 1123 label

_TEXT = {"type": "string", "minLength": 1}
_LABELS = {"type": "object", "additionalProperties": {"type": "string"}}
_COUNT = {"type": "number", "minimum": 0}
_NAME = {
    "type": "string",
    "pattern": NAME_PATTERN,
    "patternErrorMessage": "must be up to 63 lower-case letters, digits and inner dashes, such as 'train-2'",
}
_SIZE = {
    "type": ["string", "integer"],
    "pattern": SIZE_PATTERN,
    "patternErrorMessage": "must be a number of bytes, or one with a unit, such as '512MiB' or '8GB'",
    "minimum": 0,
    "examples": ["8GiB"],
}


def _duration(description: str) -> dict[str, Any]:
    return {
        "type": ["string", "number"],
        "pattern": DURATION_PATTERN,
        "patternErrorMessage": "must be a number of seconds, or a duration such as '90s', '10m' or '1h30m'",
        "minimum": 0,
        "maximum": 10**12,
        "description": description,
        "examples": ["10m"],
    }


def _closed(properties: dict[str, Any], required: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": list(required)} if required else {}) | more


PLUGIN = _closed(
    {
        "path": _TEXT | {"description": "The plugin folder, relative to this file."},
        "module": _TEXT | {"description": "The name of an importable module."},
    },
    minProperties=1,
    maxProperties=1,
    description="{path: FOLDER}, relative to this file, or {module: NAME}.",
)

ENV_VALUE = {
    "type": ["string", "number", "boolean", "object"],
    "properties": {
        "fromEnv": _TEXT | {"description": "Name of a variable in the environment of synapse."},
        "fromFile": _TEXT | {"description": "A file that holds the value; its last line end is dropped."},
    },
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
}

RESOURCES = _closed(
    {
        "cpus": _COUNT | {"description": "CPU cores; 0.5 is half a one."},
        "gpus": _COUNT | {"description": "GPUs."},
        "memory": _SIZE | {"description": "Memory of each attempt."},
        "custom": {
            "type": "object",
            "additionalProperties": _COUNT,
            "description": "Ray's custom resources.",
        },
    },
    description="What a task or job asks of the cluster.",
)

RETRY = _closed(
    {
        "limit": {"type": "integer", "minimum": 0, "maximum": 100, "description": "Attempts after the first."},
        "backoff": _duration("Wait before the second attempt; 10s by default."),
        "factor": {
            "type": "number",
            "minimum": 1,
            "maximum": 1000,
            "description": "Each wait is this many times the last; 2 by default.",
        },
        "maxBackoff": _duration("The longest wait; 5m by default."),
        "on": {
            "type": "array",
            "items": {"enum": list(RETRIABLE), "enumDescriptions": list(RETRIABLE.values())},
            "uniqueItems": True,
            "minItems": 1,
            "description": "Reasons that are tried again; by default all but JobLost.",
        },
    },
    description="Try a failed attempt again.",
)

_MATRIX_KEYS = {
    "pattern": r"^[A-Za-z_][A-Za-z0-9_-]*$",
    "patternErrorMessage": "must be letters, digits, _ and -, so that ${{ matrix.KEY }} can name it",
}
_COMBINATIONS = {"type": "array", "items": {"type": "object", "minProperties": 1, "propertyNames": _MATRIX_KEYS}}
MATRIX = {
    "type": "object",
    "properties": {
        "include": _COMBINATIONS | {"description": "More combinations, or more keys for those that it agrees with."},
        "exclude": _COMBINATIONS | {"description": "Combinations to leave out."},
    },
    "additionalProperties": {"type": "array", "minItems": 1},
    "propertyNames": _MATRIX_KEYS,
    "minProperties": 1,
    "description": "Fans the run out: a child for each combination of values; ${{ matrix.KEY }} is its value.",
}

SPEC = _closed(
    {
        "plugin": PLUGIN,
        "action": _TEXT | {"description": "The name of one of the plugin's actions."},
        "mode": {
            "enum": [str(mode) for mode in ExecutionMode],
            "default": "local",
            "description": "local: this process; task: a warm Ray actor; job: a Ray job of its own.",
            "enumDescriptions": ["In this process.", "On a warm Ray actor.", "As a Ray job of its own."],
        },
        "params": {"type": "object", "description": "What the action's params model takes."},
        "dependsOn": {
            "type": "array",
            "items": _NAME | {"pattern": rf"{NAME_PATTERN.removesuffix('$')}(\[.+\])?$"},
            "uniqueItems": True,
            "description": "Runs that must have succeeded first; a reference to a run adds it by itself.",
        },
        "env": {
            "type": "object",
            "additionalProperties": ENV_VALUE,
            "description": "Environment variables of the action.",
        },
        "resources": RESOURCES,
        "runtimeEnv": {"type": "object", "description": "Ray runtime_env, merged over the plugin's own."},
        "cluster": _TEXT | {"description": "A Ray cluster's name in synapse.toml; not part of what is computed."},
        "timeout": _duration("The longest an attempt may take, such as 2h."),
        "pendingTimeout": _duration("The longest a job may wait for resources before it starts."),
        "retry": RETRY,
        "matrix": MATRIX,
        "maxParallel": {
            "type": "integer",
            "minimum": 1,
            "description": "Of a matrix: the most children at work at once.",
        },
        "failFast": {
            "type": "boolean",
            "description": "Of a matrix: the failure of one child stops the others; false by default.",
        },
        "suspend": {"type": "boolean", "description": "true: do not run it for now; false by default."},
        "rerunOn": {
            "type": "array",
            "items": {
                "enum": ["spec", "code", "inputs"],
                "enumDescriptions": [
                    "What the spec says is computed.",
                    "The code behind the action.",
                    "The results that it refers to.",
                ],
            },
            "uniqueItems": True,
            "description": "Which changes make a succeeded run run again; all by default.",
        },
    },
    ("plugin", "action"),
    title="Run spec",
    description="What to run, and how.",
)

RUN = _closed(
    {
        "apiVersion": {"const": API_VERSION, "markdownDescription": "The version of this format."},
        "kind": {"const": "Run", "markdownDescription": "What this document is; tools pass over other kinds."},
        "metadata": _closed(
            {
                "name": _NAME | {"description": "The run's name; unique in one apply."},
                "labels": _LABELS | {"description": "For --selector; not part of what is computed."},
                "annotations": _LABELS | {"description": "For people and other tools."},
            },
            ("name",),
            description="What the run is called.",
        ),
        "spec": SPEC,
    },
    ("apiVersion", "kind", "metadata", "spec"),
    title="Run",
    description="One run of a plugin's action.",
)
