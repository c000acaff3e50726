"""Gives references their values when a run starts."""

import copy
import json
import os
from collections.abc import Mapping
from typing import Any

from synapse_spec.engine.provenance import git_commit
from synapse_spec.engine.results import fetch
from synapse_spec.engine.status import RunStatus
from synapse_spec.spec import references
from synapse_spec.spec.model import Run
from synapse_spec.spec.workspace import Workspace


class ReferenceFailed(Exception):
    """A reference has no value; the message names it."""


def resolve(
    value: Any, run: Run, workspace: Workspace, statuses: Mapping[str, RunStatus], *, longest: int | None = None
) -> Any:
    """`value` with its references replaced by results of finished runs and by facts of the run.

    Args:
        value: JSON-compatible.
        run, workspace, statuses: What references are about.
        longest: References to results that are longer than this many characters of JSON stay as they are.

    Raises:
        ReferenceFailed: A result lacks what is referred to, or there is no commit.
    """

    def look_up(reference: references.Reference) -> Any:
        if reference.run is not None:
            found = _result(reference, run, workspace, statuses)
            return str(reference) if longest is not None and len(json.dumps(found)) > longest else found
        match reference.parts:
            case ("run", "name"):
                return run.name
            case ("spec", "dir"):
                return os.path.dirname(run.file.path)
            case ("workspace", "root"):
                return str(workspace.root)
        commit = git_commit(workspace.root)
        if commit is None:
            raise ReferenceFailed(f"'{reference}': {workspace.root} is in no git repository, or has no commit yet")
        return commit

    return references.resolve(value, look_up)


def _result(reference: references.Reference, run: Run, workspace: Workspace, statuses: Mapping[str, RunStatus]) -> Any:
    """What a reference to the result of a run gives, or to the results of all children of a matrix."""
    try:
        if reference.gathers:
            children = run.gathers[str(reference.run)]
            found: Any = [fetch(statuses[name].result, workspace) for name in children]
        else:
            name = run.aliases.get(str(reference.run), str(reference.run))
            found = fetch(statuses[name].result, workspace)
        # A copy: an action may change what it is given, and the result is not its own.
        return copy.deepcopy(references.dig(found, reference.parts[3:]))
    except LookupError as error:
        raise ReferenceFailed(f"'{reference}': the result of run {reference.run!r} {error}") from None
