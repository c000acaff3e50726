"""The spec as it is run, which the status file keeps as `lastApplied`. Used by attempts, and by accept and diff."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from synapse_spec.engine import values
from synapse_spec.engine.digest import spec_env
from synapse_spec.engine.status import RunStatus
from synapse_spec.plugins.executors.ray.runtime_env import merge
from synapse_spec.spec.catalog import PluginFacts
from synapse_spec.spec.model import Run
from synapse_spec.spec.workspace import Workspace

# Longer values are shown as the references that they came from.
_LONGEST = 4096


def applied_spec(
    run: Run, plugin: PluginFacts, workspace: Workspace, statuses: Mapping[str, RunStatus]
) -> dict[str, Any]:
    """What is computed, with references resolved where their runs have results, and secrets as references."""
    parts = {"params": run.params, "env": spec_env(run)}
    with suppress(values.ReferenceFailed, KeyError):  # an attempt says it as its outcome
        parts = values.resolve(parts, run, workspace, statuses, longest=_LONGEST)
    applied = {
        "plugin": run.spec["plugin"],
        "action": run.action,
        "params": parts["params"],
        "env": plugin.env | parts["env"],
        "runtimeEnv": merge(plugin.runtime_env, run.runtime_env),
        "matrix": run.matrix,
    }
    return {key: value for key, value in applied.items() if value}
