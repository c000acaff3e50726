"""The spec as it is run, which the status file keeps as `lastApplied`. Used by attempts, and by accept and diff."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from synapse_spec.engine import values
from synapse_spec.engine.digest import spec_env
from synapse_spec.engine.status import RunStatus
from synapse_spec.plugins.executors.ray.runtime_env import merge
from synapse_spec.spec import references
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.model import Run
from synapse_spec.spec.workspace import Workspace

# Longer values are shown as the references that they came from.
_LONGEST = 4096


def applied_spec(run: Run, catalog: Catalog, workspace: Workspace, statuses: Mapping[str, RunStatus]) -> dict[str, Any]:
    """What is computed, with references resolved where their runs have results, and secrets as references.

    What was written where references stood is under `references`, so that a change of them can be told.
    """
    plugin, written = catalog.plugin(run.plugin), {"params": run.params, "env": spec_env(run)}
    parts = written
    with suppress(values.ReferenceFailed, KeyError):  # an attempt says it as its outcome
        parts = values.resolve(written, run, workspace, statuses, longest=_LONGEST)
    applied = {
        "plugin": run.spec["plugin"],
        "action": run.action,
        "entrypoint": catalog.action(run.plugin, run.action).entrypoint,
        "params": parts["params"],
        "env": plugin.env | parts["env"],
        "runtimeEnv": merge(plugin.runtime_env, run.runtime_env),
        "matrix": run.matrix,
        "references": referring(written),
    }
    return {key: value for key, value in applied.items() if value}


def referring(written: dict[str, Any]) -> dict[str, Any]:
    """Of nested mappings, the entries with references in them, as `digest.computed` has them."""
    found: dict[str, Any] = {}
    for path, _ in references.find(written):
        here: Any = found
        value: Any = written
        for part in path:
            if not isinstance(value[part], dict):
                here[part] = here.get(part) or references.resolve(value[part], str)
                break
            here, value = here.setdefault(part, {}), value[part]
    return found
