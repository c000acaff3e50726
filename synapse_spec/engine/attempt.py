"""One run from lock to status: lock, read again, decide, write the intent, perform, write what came of it.

Called by the reconciler, on the main thread for local runs and on a worker thread for the others.
"""

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from synapse_spec.engine import secrets, values
from synapse_spec.engine.backends import Backends, Cancel, Work
from synapse_spec.engine.digest import spec_env
from synapse_spec.engine.locks import run_lock
from synapse_spec.engine.options import Options
from synapse_spec.engine.plan import ADOPT, RUN, make_plan
from synapse_spec.engine.provenance import provenance
from synapse_spec.engine.results import stow
from synapse_spec.engine.status import Attempt, Identity, RunStatus, Start, timestamp
from synapse_spec.engine.store import StatusFile
from synapse_spec.plugins.enums import ExecutionMode
from synapse_spec.plugins.errors import PluginError
from synapse_spec.plugins.events import Emit, Event, render
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.plugins.outcome import ErrorInfo, Outcome
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.model import Run
from synapse_spec.spec.workspace import Workspace

if TYPE_CHECKING:
    from synapse_spec.plugins.execution import Invocation


class Observer(Protocol):
    """Is told what happens, from any thread."""

    def phase(self, run: Run, status: RunStatus) -> None: ...

    def event(self, run: Run, event: Event) -> None: ...

    def note(self, run: Run, text: str) -> None: ...


@dataclass(slots=True)
class Stage:
    """What attempts share.

    Attributes:
        stop: Nothing new is started once it is set.
        leave: The process is about to go: jobs are left running, what is cancelled counts as Interrupted.
    """

    workspace: Workspace
    catalog: Catalog
    files: dict[Path, StatusFile]
    statuses: dict[str, RunStatus]
    backends: Backends
    observer: Observer
    options: Options
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def leave(self) -> threading.Event:
        return self.backends.leave

    def write(self, run: Run, status: RunStatus) -> RunStatus:
        """Write the status and tell the observer."""
        self.files[run.file.path].update(run.name, lambda _: status)
        self.statuses[run.name] = status
        self.observer.phase(run, status)
        return status

    def locked(self, run: Run) -> AbstractContextManager[None]:
        return run_lock(self.workspace, run.name, wait=self.options.wait, stop=self.stop)


def reconcile(run: Run, stage: Stage, cancelled: Cancel) -> RunStatus:
    """Bring one run up to date; its status when that is done, or when it goes on without us.

    Raises:
        LockHeld: Another process is at it, and we do not wait.
        ClusterUnreachable: Its mode needs Ray, which is not there; nothing was written.
        KeyboardInterrupt: On the main thread; the status says Interrupted then.
    """
    with stage.locked(run):
        stored = stage.files[run.file.path].read().get(run.name) or RunStatus(run.name)
        current = {**stage.statuses, run.name: stored}
        forced = run.name in stage.options.force
        # The rest of the graph is settled as far as this run needs it, so it is decided as if it stood alone.
        entry = make_plan([run], stage.catalog, current, force=lambda _: forced).entries[run.name]
        if entry.decision.step == ADOPT:
            stage.observer.phase(run, stored)
            return _settle(run, stage, stored, None, cancelled)
        if entry.decision.step != RUN or entry.identity is None:
            stage.statuses[run.name] = stored
            return stored
        if stored.phase == "Running" and stored.mode == "job" and stored.attempt is not None:
            _supersede(stored.attempt.handle, stage)
        stage.backends.prepare(run.mode)
        status = stored
        for failures in range(1, run.retry.limit + 2):
            status = _attempt(run, stage, status, entry.identity, cancelled)
            if status.phase != "Failed" or failures > run.retry.limit or stage.stop.is_set():
                break
            delay = run.retry.delay(failures)
            stage.observer.note(run, f"failed ({status.message}); next attempt in {delay:g} s")
            if cancelled.wait(delay):
                break
        return status


def _attempt(run: Run, stage: Stage, before: RunStatus, identity: Identity, cancelled: Cancel) -> RunStatus:
    """One attempt: the intent is on disk before anything is started."""
    number = before.next_number(identity.digest)
    handle = f"synapse-{run.name}-{identity.digest.removeprefix('sha256:')[:12]}-{number}"
    plugin = stage.catalog.plugin(run.plugin)
    log = stage.workspace.log(run.name, number)
    start = Start(
        identity=identity,
        applied=_applied(run, stage),
        mode=str(run.mode),
        attempt=Attempt(number, handle, timestamp()),
        plugin={"code": plugin.code, "version": plugin.version},
        provenance=provenance(stage.workspace.root, run.mode),
        logs=str(log.relative_to(stage.workspace.root)),
    )
    status = stage.write(run, before.started(start))
    return _settle(run, stage, status, log, cancelled)


def _settle(run: Run, stage: Stage, status: RunStatus, log: Path | None, cancelled: Cancel) -> RunStatus:
    """Perform (or, without `log`, follow the job that was submitted before), then write the outcome."""
    assert status.attempt is not None
    log = log or stage.workspace.root / str(status.logs)
    values_of_secrets: dict[str, str] = {}
    with RunLog(log) as run_log:
        try:
            values_of_secrets = secrets.read_secrets(run)
            masker = secrets.Masker(values_of_secrets)
            emit = masker.emit(run_log.tee(lambda event: stage.observer.event(run, event)))
            work = _work(run, stage, status, values_of_secrets, emit, cancelled)
            outcome = stage.backends.of(run.mode)(work)
            outcome = outcome and masker.outcome(outcome)
        except KeyboardInterrupt:
            why = cancelled.reason if cancelled.is_set() and not stage.leave.is_set() else "Interrupted"
            _finish(run, stage, status, Outcome(why, error=ErrorInfo(why, "the run was stopped while it was at work")))
            raise
        except (secrets.SecretMissing, values.ReferenceFailed) as error:
            outcome = Outcome("InvalidParams", error=ErrorInfo(type(error).__name__, str(error)))
        except PluginError as error:
            reason = "ClusterUnreachable" if isinstance(error, ClusterUnreachable) else "SubmitFailed"
            outcome = Outcome(reason, error=ErrorInfo(type(error).__name__, error.message))
        if outcome is None:
            return status
        if outcome.reason == "Cancelled" and stage.leave.is_set():
            outcome = replace(outcome, reason="Interrupted")
        if outcome.error is not None:
            run_log.write(outcome.error.traceback or f"{outcome.error.type}: {outcome.error.message}")
    return _finish(run, stage, status, outcome)


def _finish(run: Run, stage: Stage, status: RunStatus, outcome: Outcome) -> RunStatus:
    if outcome.ok:
        outcome = replace(outcome, result=stow(outcome.result, run.name, stage.workspace))
    return stage.write(run, status.finished(outcome, timestamp()))


def _work(
    run: Run, stage: Stage, status: RunStatus, secret_values: dict[str, str], emit: Emit, cancelled: Cancel
) -> Work:
    assert status.attempt is not None and status.identity is not None
    plugin = stage.catalog.plugin(run.plugin)
    metadata = {"run": run.name, "digest": status.identity.digest, "attempt": str(status.attempt.number)}
    metadata |= {"spec": str(run.file.path), "gitCommit": str(status.provenance.get("gitCommit", ""))}
    fresh = status.phase == "Running" and not (run.mode is ExecutionMode.JOB and _adopted(status, stage))
    return Work(
        run=run,
        invocation=_invocation(run, stage, status, secret_values) if fresh else None,
        handle=status.attempt.handle,
        runtime_env=plugin.runtime_env | run.runtime_env,
        metadata=metadata,
        emit=emit,
        wait=stage.options.wait,
        cancelled=cancelled,
    )


def _adopted(status: RunStatus, stage: Stage) -> bool:
    """Whether Ray knows the handle: then it runs already, and is followed instead of submitted."""
    return status.attempt is not None and stage.backends.jobs().known(status.attempt.handle)


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
        env={name: value if isinstance(value, str) else str(value) for name, value in env.items()},
        job_id=status.attempt.handle if status.attempt else None,
        working_dir=str(plugin.source.folder),
    )


def _applied(run: Run, stage: Stage) -> dict[str, Any]:
    """The spec as run: references resolved, secrets as references."""
    plugin = stage.catalog.plugin(run.plugin)
    try:
        params = values.resolve(run.params, run, stage.workspace, stage.statuses)
        env = plugin.env | values.resolve(spec_env(run), run, stage.workspace, stage.statuses)
    except values.ReferenceFailed:  # said as the attempt's outcome
        params, env = run.params, plugin.env | spec_env(run)
    applied = {"plugin": run.spec["plugin"], "action": run.action, "params": params, "env": env}
    return {
        key: value for key, value in (applied | {"runtimeEnv": plugin.runtime_env | run.runtime_env}).items() if value
    }


def _supersede(handle: str, stage: Stage) -> None:
    """Stop the job of an earlier digest that is still running: its result would be of no use."""
    jobs = stage.backends.jobs()
    if jobs.known(handle):
        jobs.cancel(handle)
        jobs.forget(handle)


class RunLog:
    """The log file of one attempt, written anew."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8", errors="backslashreplace", buffering=1)
        self._lock = threading.Lock()

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, line: str) -> None:
        with self._lock:
            self._file.write(f"{line.rstrip()}\n")

    def tee(self, emit: Emit) -> Emit:
        """An `emit` that writes the event here first."""

        def both(event: Event) -> None:
            self.write(render(event))
            emit(event)

        return both
