"""The identity of a run: digests of what is computed, from the spec, the code and the results it refers to. Pure.

How and where it runs (mode, resources, timeout, retry…) is left out, and so is where the checkout stands:
`spec.dir` and `workspace.root` count as they are written.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from synapse_spec.engine.status import Identity, RunStatus
from synapse_spec.plugins.executors.ray.runtime_env import merge
from synapse_spec.spec import references
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.facts import ActionFacts, PluginFacts
from synapse_spec.spec.model import Run, Secret

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode


def sha256(value: Any) -> str:
    """Digest of a JSON-compatible value; the order of keys does not matter."""
    return f"sha256:{hashlib.sha256(_encode(value).encode()).hexdigest()}"


def code_of(plugin: PluginFacts) -> str:
    """The identity of the code of all actions of the plugin that are known."""
    return sha256({name: known.code for name, known in plugin.actions.items()})


def computed(run: Run, plugin: PluginFacts, action: ActionFacts) -> dict[str, Any]:
    """The parts of spec and config that change what is computed; secrets and references as they are written."""
    matrix = {"matrix": run.matrix} if run.matrix else {}
    return matrix | {
        "action": run.action,
        "entrypoint": action.entrypoint,
        "params": references.resolve(run.params, str) if run.file.refers else run.params,
        "env": plugin.env | (references.resolve(spec_env(run), str) if run.env else {}),
        "runtimeEnv": merge(plugin.runtime_env, run.runtime_env),
    }


def spec_env(run: Run) -> dict[str, Any]:
    """The run's env as the spec may show it."""
    return {name: value.to_spec() if isinstance(value, Secret) else value for name, value in run.env.items()}


def result_digest(status: RunStatus) -> str:
    """Identity of a run's result: what was computed and what came out.

    The value alone is not enough: a result is often the path of a file, which stays the same when its content changes.
    """
    return sha256([status.computed_digest, status.result])


def spec_digest(run: Run, catalog: Catalog) -> str:
    """Digest of what a run computes by its spec and its plugin's config."""
    known = run.file.known.get(run.name)
    if known is not None and known[0] == catalog.basis(run.plugin, run.action):
        return known[1]
    return sha256(computed(run, catalog.plugin(run.plugin), catalog.action(run.plugin, run.action)))


def identify(
    run: Run, spec: str, code: str, statuses: Mapping[str, RunStatus], before: Identity | None = None
) -> Identity:
    """The identity of a run whose inputs have results.

    Args:
        run: The run.
        spec: What `spec_digest` gave.
        code: Digest of its code.
        statuses: Those of the runs whose results it refers to.
        before: What it was the last time; it is the same if none of its parts has changed.
    """
    runs = {name: result_digest(statuses[name]) for name in sorted(run.inputs)}
    # A list of results changes with the order of the matrix.
    runs |= {name: sha256(children) for name, children in sorted(run.gathers.items())}
    if before is not None and (before.spec, before.code, before.runs) == (spec, code, runs):
        return before
    return Identity(spec, code, runs, sha256([spec, code, runs]))
