"""What the attempts of one apply share: where they run, what they know, whom they tell. Made by `apply`.

Used by `attempt` and the reconciler.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from synapse_spec.engine.backends import Backends, Work
from synapse_spec.engine.local import MainThread
from synapse_spec.engine.locks import run_lock
from synapse_spec.engine.options import Options
from synapse_spec.engine.status import RunStatus
from synapse_spec.engine.store import StatusFile
from synapse_spec.plugins.enums import ExecutionMode
from synapse_spec.plugins.events import Event
from synapse_spec.plugins.outcome import Outcome
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.model import Run
from synapse_spec.spec.workspace import Workspace


class Observer(Protocol):
    """Is told what happens, from any thread."""

    def phase(self, run: Run, status: RunStatus) -> None: ...

    def event(self, run: Run, event: Event) -> None: ...

    def note(self, run: Run, text: str) -> None: ...


@dataclass(slots=True)
class Stage:
    """What attempts share.

    Attributes:
        environ: The environment as it was at the start: a local run at work lays its own over that of the process.
        stop: Nothing new is started once it is set.
        owned: Names of the runs whose lock this process holds.
        tries: How many attempts of a run this process has made or followed.
    """

    workspace: Workspace
    catalog: Catalog
    files: dict[str, StatusFile]
    statuses: dict[str, RunStatus]
    backends: Backends
    observer: Observer
    options: Options
    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    main: MainThread = field(default_factory=MainThread)
    stop: threading.Event = field(default_factory=threading.Event)
    owned: set[str] = field(default_factory=set)
    tries: dict[str, int] = field(default_factory=dict)

    @property
    def leave(self) -> threading.Event:
        """The process is about to go: jobs are left running, what is cancelled counts as Interrupted."""
        return self.backends.leave

    def write(self, run: Run, status: RunStatus) -> RunStatus:
        """Write the status and tell the observer."""
        return self.change(run, lambda _: status)

    def change(self, run: Run, change: Callable[[RunStatus], RunStatus]) -> RunStatus:
        """Write what `change` makes of the status as it is stored now, and tell the observer."""
        status = self.record(run, change)
        self.observer.phase(run, status)
        return status

    def record(self, run: Run, change: Callable[[RunStatus], RunStatus]) -> RunStatus:
        """Write what `change` makes of the status, without a word."""
        status = self.statuses[run.name] = self.files[run.file.path].update(run.name, change)
        return status

    def release(self, run: Run) -> RunStatus:
        """Write that nothing holds the run back any more; it has not run for that."""
        status = self.record(run, RunStatus.released)
        self.observer.note(run, f"released: {status.phase} before")
        return status

    def performer(self, mode: ExecutionMode) -> Callable[[Work], Outcome | None]:
        return self.main.perform if mode is ExecutionMode.LOCAL else self.backends.of(mode)

    @contextmanager
    def locked(self, run: Run) -> Iterator[None]:
        with run_lock(self.workspace, run.name, wait=False, stop=self.stop):
            # A request that nobody took was meant for an earlier attempt.
            self.workspace.cancel(run.name).unlink(missing_ok=True)
            self.owned.add(run.name)
            try:
                yield
            finally:
                self.owned.discard(run.name)
