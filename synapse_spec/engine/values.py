"""Gives references their values when a run starts."""

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


def resolve(value: Any, run: Run, workspace: Workspace, statuses: Mapping[str, RunStatus]) -> Any:
    """`value` with its references replaced by results of finished runs and by facts of the run.

    Raises:
        ReferenceFailed: A result lacks what is referred to.
    """

    def look_up(reference: references.Reference) -> Any:
        if reference.run is not None:
            return _result(reference, statuses[reference.run], workspace)
        facts = {
            "run.name": lambda: run.name,
            "spec.dir": lambda: str(run.file.path.parent),
            "workspace.root": lambda: str(workspace.root),
            "git.commit": lambda: git_commit(workspace.root),
        }
        return facts[".".join(map(str, reference.parts))]()

    return references.resolve(value, look_up)


def _result(reference: references.Reference, status: RunStatus, workspace: Workspace) -> Any:
    try:
        return references.dig(fetch(status.result, workspace), reference.parts[3:])
    except LookupError as error:
        raise ReferenceFailed(f"'${{{{ {reference.text} }}}}': the result of run {reference.run!r} {error}") from None
