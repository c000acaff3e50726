"""A run spec as frozen values. Made by `load` from documents that fit the schema."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from synapse_spec.plugins.enums import ExecutionMode

API_VERSION = "synapse.dev/v1"
# Reasons of failures that another attempt may mend.
RETRIABLE = {
    "ActionFailed": "The action raised, or called sys.exit.",
    "InvalidResult": "The result does not fit its model, or has no JSON form.",
    "TimedOut": "It took longer than its timeout.",
    "PendingTimedOut": "The job waited for resources for longer than pendingTimeout.",
    "WorkerDied": "The process of the task or job died.",
    "JobLost": "Ray knows the job no more; it may have done its work.",
    "SubmitFailed": "Ray refused the job.",
    "ClusterUnreachable": "The cluster was gone when the task was to start.",
}


class PluginRef(NamedTuple):
    """The plugin as the spec names it: `path` (absolute) or `module`; looked up so often that a tuple pays."""

    path: Path | None = None
    module: str | None = None

    def __str__(self) -> str:
        return self.module or str(self.path)


@dataclass(frozen=True, slots=True)
class Secret:
    """An env value that is read when the run starts: from this process's environment, or from a file."""

    from_env: str | None = None
    from_file: str | None = None

    def to_spec(self) -> dict[str, str]:
        return {"fromEnv": self.from_env} if self.from_env else {"fromFile": str(self.from_file)}


@dataclass(frozen=True, slots=True)
class Resources:
    """What a task or job asks of the cluster; memory in bytes."""

    cpus: float | None = None
    gpus: float | None = None
    memory: int | None = None
    custom: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and when a failed attempt is tried again; times in seconds.

    Attributes:
        on: Reasons of failures that are tried again; None for all that make sense, but for a lost job.
    """

    limit: int = 0
    backoff: float = 10.0
    factor: float = 2.0
    max_backoff: float = 300.0
    on: frozenset[str] | None = None

    def delay(self, failures: int) -> float:
        """Seconds to wait after `failures` failed attempts (1 for the first)."""
        return float(min(self.backoff * self.factor ** (failures - 1), self.max_backoff))


@dataclass(frozen=True, slots=True)
class SpecFile:
    """One file of specs.

    Attributes:
        path: Absolute; a string, since there may be many and a Path takes long to make.
        shown: As the user named it, for messages.
        kept: The bytes, where they cannot be read again: of standard input and of pipes.
        refers: Whether there may be references in it; most files hold none, which their text shows at once.
        known: Of runs in it that were planned before, by name: `Catalog.basis` of then, when nothing was wrong with the
            run, and the digest of what it computes.
    """

    path: str
    shown: str
    kept: bytes | None = None
    refers: bool = True
    known: dict[str, list[str]] = field(default_factory=dict, compare=False)

    @property
    def status_path(self) -> str:
        whole, ending = os.path.splitext(self.path)
        return f"{whole}.status{ending or '.yaml'}"


@dataclass(frozen=True, slots=True)
class Run:
    """One document of kind Run.

    Attributes:
        name: Unique in one apply.
        file: Where it stands.
        document: Its index in the file.
        spec: The `spec` mapping as written.
        depends_on: Names of runs that must have succeeded first; those of references included.
        inputs: Names of runs whose results it refers to.
        timeout: Seconds, or None.
        pending_timeout: Seconds that a job may wait for resources, or None.
        parent: Of a child of a matrix: the name of the run that has the matrix.
        matrix: Of a child: its values.
        template: Of a child: the `spec` mapping of its parent, with `${{ matrix.KEY }}` in it.
        gathers: Names of the runs with a matrix whose results it takes as a list, with their children in its order.
        aliases: Names that it spells in a way of its own (`train[lr=0.10]`), with the names of the runs they mean.
        max_parallel: The most siblings that are at work at once; None for any number.
        fail_fast: Whether the failure of one sibling stops the others.
        requested: The token of the annotation that asks for a run even if nothing has changed.
        cluster: The name of a Ray cluster in synapse.toml; None for the usual one.
    """

    name: str
    file: SpecFile
    document: int
    spec: dict[str, Any]
    plugin: PluginRef
    action: str
    mode: ExecutionMode
    params: dict[str, Any]
    depends_on: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    env: dict[str, str | Secret] = field(default_factory=dict)
    resources: Resources = Resources()
    runtime_env: dict[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    pending_timeout: float | None = None
    retry: Retry = Retry()
    suspend: bool = False
    rerun_on: frozenset[str] = frozenset({"spec", "code", "inputs"})
    labels: dict[str, str] = field(default_factory=dict)
    parent: str | None = None
    matrix: dict[str, Any] = field(default_factory=dict)
    template: dict[str, Any] = field(default_factory=dict)
    gathers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    max_parallel: int | None = None
    fail_fast: bool = False
    requested: str | None = None
    cluster: str | None = None
