"""One run from lock to status: lock, read again, decide, write the intent, perform, write what came of it.

Called by the reconciler, on the main thread for local runs and on a worker thread for the others.
"""

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from synapse_spec.engine import secrets, values
from synapse_spec.engine.applied import applied_spec
from synapse_spec.engine.backends import Backends, Cancel, Work
from synapse_spec.engine.local import MainThread, ended
from synapse_spec.engine.locks import run_lock
from synapse_spec.engine.options import Options
from synapse_spec.engine.plan import ADOPT, RUN, SKIP, make_plan
from synapse_spec.engine.provenance import provenance
from synapse_spec.engine.results import stow
from synapse_spec.engine.run_log import RunLog
from synapse_spec.engine.status import INTERRUPTED, RUNNING, Attempt, Identity, RunStatus, Start
from synapse_spec.engine.store import StatusFile
from synapse_spec.engine.times import timestamp
from synapse_spec.plugins.config import text_of
from synapse_spec.plugins.enums import ExecutionMode
from synapse_spec.plugins.errors import PluginError
from synapse_spec.plugins.events import Emit, Event, Metrics
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.plugins.executors.ray.runtime_env import merge
from synapse_spec.plugins.outcome import ErrorInfo, Outcome
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.model import Run
from synapse_spec.spec.workspace import Workspace

if TYPE_CHECKING:
    from synapse_spec.plugins.execution import Invocation

# Another attempt would end the same way, or nobody wants one.
_FINAL = frozenset({"InvalidParams", "PluginLoadFailed", INTERRUPTED})


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

    @property
    def leave(self) -> threading.Event:
        """The process is about to go: jobs are left running, what is cancelled counts as Interrupted."""
        return self.backends.leave

    def write(self, run: Run, status: RunStatus) -> RunStatus:
        """Write the status and tell the observer."""
        return self.change(run, lambda _: status)

    def change(self, run: Run, change: Callable[[RunStatus], RunStatus]) -> RunStatus:
        """Write what `change` makes of the status as it is stored now, and tell the observer."""
        status = self.files[run.file.path].update(run.name, change)
        self.statuses[run.name] = status
        self.observer.phase(run, status)
        return status

    def performer(self, mode: ExecutionMode) -> Callable[[Work], Outcome | None]:
        return self.main.perform if mode is ExecutionMode.LOCAL else self.backends.of(mode)

    @contextmanager
    def locked(self, run: Run) -> Iterator[None]:
        with run_lock(self.workspace, run.name, wait=False, stop=self.stop):
            # A request that nobody took was meant for an earlier attempt.
            (self.workspace.cancels / run.name).unlink(missing_ok=True)
            self.owned.add(run.name)
            try:
                yield
            finally:
                self.owned.discard(run.name)


def reconcile(run: Run, stage: Stage, cancelled: Cancel) -> RunStatus:
    """Bring one run up to date; its status when that is done, or when it goes on without us.

    Raises:
        LockHeld: Another process is at it.
        ClusterUnreachable: Its mode needs Ray, which is not there; the status is as it was.
    """
    with stage.locked(run):
        seen = stage.statuses.get(run.name) or RunStatus(run.name)
        stage.statuses[run.name] = stored = stage.files[run.file.path].get(run.name) or seen
        # The rest of the graph is settled as far as this run needs it, so it is decided as if it stood alone.
        plan = make_plan([run], stage.catalog, stage.statuses, force=lambda name: name in stage.options.force)
        entry = plan.entries[run.name]
        if entry.decision.step == ADOPT:
            return _followed(run, stage, stored, cancelled)
        if entry.identity is not None and entry.decision.step == RUN and not _done(seen, stored, entry.identity):
            _supersede(stored, stage)
            stage.backends.prepare(run.mode)
            if stage.stop.is_set():  # reaching Ray takes seconds
                return stored
            return _attempts(run, stage, stored, entry.identity, cancelled)
        free = stored.released() if entry.decision.step == SKIP else stored
        return free if free is stored else stage.write(run, free)


def _done(seen: RunStatus, stored: RunStatus, identity: Identity) -> bool:
    """Whether another process has run just this since we looked: its outcome is ours, be it a failure."""
    last = stored.attempt
    if last is None or last == seen.attempt or last.outcome in (None, INTERRUPTED):
        return False
    return stored.identity is not None and stored.identity.digest == identity.digest


def _attempts(run: Run, stage: Stage, status: RunStatus, identity: Identity, cancelled: Cancel) -> RunStatus:
    """Attempts until one succeeds, or there are no more to make."""
    for failures in range(1, run.retry.limit + 2):
        status = _attempt(run, stage, status, identity, cancelled)
        hopeless = status.phase != "Failed" or status.reason in _FINAL
        if hopeless or failures > run.retry.limit or stage.stop.is_set():
            break
        delay = run.retry.delay(failures)
        stage.observer.note(run, f"next attempt in {delay:g} s")
        if cancelled.wait(delay):
            break
    return status


def _attempt(run: Run, stage: Stage, before: RunStatus, identity: Identity, cancelled: Cancel) -> RunStatus:
    """One attempt: the intent is on disk before anything is started."""
    number, handle = _next(run, stage, before, identity)
    plugin = stage.catalog.plugin(run.plugin)
    path = stage.workspace.log(run.name, number)
    start = Start(
        identity=identity,
        applied=applied_spec(run, plugin, stage.workspace, stage.statuses),
        mode=str(run.mode),
        attempt=Attempt(number, handle, timestamp()),
        plugin={"code": plugin.code, "version": plugin.version},
        provenance=provenance(stage.workspace.root, run.mode),
        logs=str(path.relative_to(stage.workspace.root)),
        requested=run.requested,
    )
    with RunLog(path) as log:
        status = stage.write(run, before.started(start))
        return _settled(run, stage, status, log, cancelled)


def _next(run: Run, stage: Stage, before: RunStatus, identity: Identity) -> tuple[int, str]:
    """Number and handle of the next attempt; one that is forced is not to adopt a job of another checkout."""
    number = before.next_number(identity.digest)
    while True:
        handle = f"synapse-{_slug(run.name)}-{identity.digest.removeprefix('sha256:')[:12]}-{number}"
        forced_job = run.name in stage.options.force and run.mode is ExecutionMode.JOB
        if not forced_job or not stage.backends.jobs().known(handle):
            return number, handle
        number += 1


def _slug(name: str) -> str:
    """The name as a Ray submission id may have it: `train-lr-0-1` for `train[lr=0.1]`; the digest tells them apart."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:70]


def _followed(run: Run, stage: Stage, status: RunStatus, cancelled: Cancel) -> RunStatus:
    """A job that an earlier process submitted, or meant to, to its end."""
    stage.backends.prepare(ExecutionMode.JOB)
    stage.observer.phase(run, status)
    with RunLog(stage.workspace.root / str(status.logs)) as log:
        return _settled(run, stage, status, log, cancelled)


def _settled(run: Run, stage: Stage, status: RunStatus, log: RunLog, cancelled: Cancel) -> RunStatus:
    """Perform the attempt and write its outcome, unless it goes on without us."""
    metrics: dict[str, Any] = {}

    def track(event: Event) -> None:
        if isinstance(event, Metrics):
            metrics.setdefault(event.step, {}).update(event.values)
        stage.observer.event(run, event)

    outcome = _performed(run, stage, status, log.tee(track), cancelled)
    if outcome is None:
        return status
    if outcome.reason == "Cancelled" and stage.leave.is_set():
        outcome = ended(INTERRUPTED, outcome.metrics)
    if outcome.error is not None:
        log.write(outcome.error.traceback or f"{outcome.error.type}: {outcome.error.message}")
    if outcome.ok:
        outcome = replace(outcome, result=stow(outcome.result, run.name, stage.workspace))
    # An attempt that was ended cannot tell its metrics itself.
    return stage.write(run, status.finished(replace(outcome, metrics=outcome.metrics or metrics), timestamp()))


def _performed(run: Run, stage: Stage, status: RunStatus, emit: Emit, cancelled: Cancel) -> Outcome | None:
    """The attempt's outcome, without secrets; None if it goes on without us."""
    mode, masker = ExecutionMode(str(status.mode)), secrets.Masker({})
    try:
        submitted = mode is ExecutionMode.JOB and _is_submitted(status, stage)
        hidden = secrets.read_secrets(run, stage.environ, lenient=submitted)
        masker = secrets.Masker(hidden)
        work = Work(
            run=run,
            invocation=None if submitted else _invocation(run, stage, status, hidden),
            handle=status.attempt.handle if status.attempt else "",
            runtime_env=merge(stage.catalog.plugin(run.plugin).runtime_env, run.runtime_env),
            metadata=_metadata(run, status),
            emit=masker.emit(emit),
            wait=stage.options.wait,
            cancelled=cancelled,
        )
        outcome = stage.performer(mode)(work)
    except (secrets.SecretMissing, values.ReferenceFailed) as error:
        outcome = Outcome("InvalidParams", error=ErrorInfo(type(error).__name__, str(error)))
    except ClusterUnreachable as error:
        if mode is ExecutionMode.JOB:  # it may be at work there: only its cluster can tell
            raise
        outcome = Outcome("ClusterUnreachable", error=ErrorInfo(type(error).__name__, error.message))
    except PluginError as error:
        outcome = Outcome("SubmitFailed", error=ErrorInfo(type(error).__name__, error.message))
    return outcome and masker.outcome(outcome)


def _is_submitted(status: RunStatus, stage: Stage) -> bool:
    """Whether Ray knows the handle: then it runs already, and is followed instead of submitted."""
    return status.attempt is not None and stage.backends.jobs().known(status.attempt.handle)


def _metadata(run: Run, status: RunStatus) -> dict[str, str]:
    commit = str(status.provenance.get("gitCommit", ""))
    facts = {"run": run.name, "spec": run.file.path, "gitCommit": commit}
    if status.identity is not None and status.attempt is not None:
        facts |= {"digest": status.identity.digest, "attempt": str(status.attempt.number)}
    return facts


def _invocation(run: Run, stage: Stage, status: RunStatus, secret_values: dict[str, str]) -> "Invocation":
    from synapse_spec.plugins.execution import Invocation

    plugin = stage.catalog.plugin(run.plugin)
    plain = {name: value for name, value in run.env.items() if isinstance(value, str)}
    env = plugin.env | values.resolve(plain, run, stage.workspace, stage.statuses) | secret_values
    return Invocation(
        source=plugin.source,
        action=run.action,
        entrypoint=stage.catalog.action(run.plugin, run.action).entrypoint,
        params=values.resolve(run.params, run, stage.workspace, stage.statuses),
        env={name: text_of(value) for name, value in env.items()},
        job_id=status.attempt.handle if status.attempt else None,
        working_dir=str(plugin.source.folder),
    )


def _supersede(stored: RunStatus, stage: Stage) -> None:
    """Stop the job of an earlier digest that is still running: its result would be of no use."""
    if stored.phase != RUNNING or stored.mode != "job" or stored.attempt is None:
        return
    jobs = stage.backends.jobs()
    if jobs.known(stored.attempt.handle):
        jobs.cancel(stored.attempt.handle)
        jobs.forget(stored.attempt.handle)
