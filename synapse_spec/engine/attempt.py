"""One run from lock to status: lock, read again, decide, write the intent, perform, write what came of it.

Called by the reconciler, on the main thread for local runs and on a worker thread for the others.
"""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synapse_spec.engine import secrets, values
from synapse_spec.engine.applied import applied_spec
from synapse_spec.engine.backends import Cancel, Work
from synapse_spec.engine.digest import code_of
from synapse_spec.engine.local import ended
from synapse_spec.engine.plan import ADOPT, RUN, SKIP, make_plan
from synapse_spec.engine.provenance import provenance
from synapse_spec.engine.results import stow
from synapse_spec.engine.run_log import RunLog
from synapse_spec.engine.stage import Stage
from synapse_spec.engine.status import FAILED, INTERRUPTED, RUNNING, SUBMITTED, Attempt, Identity, RunStatus, Start
from synapse_spec.engine.times import timestamp
from synapse_spec.plugins.config import text_of
from synapse_spec.plugins.enums import ExecutionMode
from synapse_spec.plugins.errors import PluginError
from synapse_spec.plugins.events import Emit, Event, Metrics
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.plugins.executors.ray.runtime_env import of_plugin
from synapse_spec.plugins.masking import Masker
from synapse_spec.plugins.outcome import ErrorInfo, Outcome
from synapse_spec.spec.model import Run

if TYPE_CHECKING:
    from synapse_spec.plugins.execution import Invocation

# Another attempt would end the same way, or nobody wants one; a job that is lost may have done its work.
_FINAL = frozenset({"InvalidParams", "PluginLoadFailed", "Unschedulable", INTERRUPTED, "JobLost"})


def reconcile(run: Run, stage: Stage, cancelled: Cancel) -> RunStatus:
    """Bring one run up to date; its status when that is done, or when it goes on without us, as a job that waits does.

    Raises:
        LockHeld: Another process is at it.
        ClusterUnreachable: Its mode needs Ray, which is not there; the status is as it was.
    """
    with stage.locked(run):
        seen = stage.statuses.get(run.name) or RunStatus(run.name)
        stage.statuses[run.name] = stored = stage.files[run.file.path].get(run.name) or seen
        # The rest of the graph is settled as far as this run needs it, so it is decided as if it stood alone.
        forced = stage.options.force - stage.tries.keys()
        plan = make_plan([run], stage.catalog, stage.statuses, force=lambda name: name in forced)
        entry = plan.entries[run.name]
        if entry.decision.step == ADOPT and entry.identity is not None:
            status = _followed(run, stage, stored, cancelled)
            return _retried(run, stage, status, entry.identity, cancelled)
        if entry.identity is not None and entry.decision.step == RUN and not _done(seen, stored, entry.identity):
            _supersede(stored, stage)
            with stage.backends.prepared(run):
                if run.mode is ExecutionMode.TASK:
                    stage.main.take_signals_back()
                if stage.stop.is_set():  # reaching Ray takes seconds
                    return stored
                status = _attempt(run, stage, stored, entry.identity, cancelled)
                return _retried(run, stage, status, entry.identity, cancelled)
        free = stored.released() if entry.decision.step == SKIP else stored
        return free if free is stored else stage.release(run)


def _done(seen: RunStatus, stored: RunStatus, identity: Identity) -> bool:
    """Whether another process has run just this since we looked: its outcome is ours, be it a failure."""
    last = stored.attempt
    if last is None or last == seen.attempt or last.outcome in (None, INTERRUPTED):
        return False
    return stored.identity is not None and stored.identity.digest == identity.digest


def _retried(run: Run, stage: Stage, status: RunStatus, identity: Identity, cancelled: Cancel) -> RunStatus:
    """Further attempts, until one succeeds or there are no more to make."""
    while _is_worth_another(run, status) and stage.tries[run.name] <= run.retry.limit and not stage.stop.is_set():
        delay = run.retry.delay(stage.tries[run.name])
        stage.observer.note(run, f"next attempt in {delay:g} s")
        if cancelled.wait(delay):
            break
        status = _attempt(run, stage, status, identity, cancelled)
    return status


def _is_worth_another(run: Run, status: RunStatus) -> bool:
    """Whether an attempt that ended like this is to be tried again."""
    on = run.retry.on
    return status.phase == FAILED and (status.reason not in _FINAL if on is None else status.reason in on)


def _attempt(run: Run, stage: Stage, before: RunStatus, identity: Identity, cancelled: Cancel) -> RunStatus:
    """One attempt: the intent is on disk before anything is started."""
    stage.tries[run.name] = stage.tries.get(run.name, 0) + 1
    number, handle = _next(run, stage, before, identity)
    plugin = stage.catalog.plugin(run.plugin)
    path = stage.workspace.log(run.name, number)
    start = Start(
        identity=identity,
        applied=applied_spec(run, stage.catalog, stage.workspace, stage.statuses),
        mode=str(run.mode),
        attempt=Attempt(number, handle, timestamp(), cluster=stage.backends.cluster_of(run)),
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
        if not forced_job or not stage.backends.jobs(run).known(handle):
            return number, handle
        number += 1


def _slug(name: str) -> str:
    """The name as a Ray submission id may have it: `train-lr-0-1` for `train[lr=0.1]`; the digest tells them apart."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:70]


def _followed(run: Run, stage: Stage, status: RunStatus, cancelled: Cancel) -> RunStatus:
    """A job that an earlier process submitted, or meant to, to its end."""
    if run.name not in stage.tries:
        stage.tries[run.name] = 1
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
    status = stage.statuses[run.name]
    if outcome is None:
        return status
    if outcome.reason == "Cancelled" and stage.leave.is_set():
        outcome = ended(INTERRUPTED, outcome.metrics)
    log.end(outcome)
    if outcome.ok:
        outcome = replace(outcome, result=stow(outcome.result, run.name, stage.workspace))
    # An attempt that was ended cannot tell its metrics itself.
    return stage.write(run, status.finished(replace(outcome, metrics=outcome.metrics or metrics), timestamp()))


def _performed(run: Run, stage: Stage, status: RunStatus, emit: Emit, cancelled: Cancel) -> Outcome | None:
    """The attempt's outcome, without secrets; None if it goes on without us."""
    mode, masker = ExecutionMode(str(status.mode)), Masker({})
    try:
        submitted = mode is ExecutionMode.JOB and _is_submitted(status, stage)
        hidden = secrets.read_secrets(run, stage.environ, lenient=submitted)
        masker = Masker(hidden)
        plugin = stage.catalog.plugin(run.plugin)
        work = Work(
            run=run,
            invocation=None if submitted else _invocation(run, stage, status, hidden),
            handle=status.attempt.handle if status.attempt else "",
            cluster=status.attempt.cluster if status.attempt else None,
            runtime_env=of_plugin(plugin, plugin.source, run.runtime_env),
            code=code_of(plugin),
            metadata=_metadata(run, status, stage.workspace.root),
            emit=masker.emit(emit),
            wait=stage.options.wait,
            cancelled=cancelled,
            submitted=lambda: stage.record(run, RunStatus.submitted),
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
    """Whether it is to be followed instead: Ray knows the handle, or knew it once and has lost it since."""
    if status.attempt is None:
        return False
    return status.reason == SUBMITTED or stage.backends.jobs_with(status.attempt).known(status.attempt.handle)


def _metadata(run: Run, status: RunStatus, root: Path) -> dict[str, str]:
    commit = str(status.provenance.get("gitCommit", ""))
    facts = {"run": run.name, "spec": os.path.relpath(run.file.path, root), "gitCommit": commit}
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
        secrets=list(secret_values),
    )


def _supersede(stored: RunStatus, stage: Stage) -> None:
    """Stop the job of an earlier digest that is still running: its result would be of no use."""
    if stored.phase != RUNNING or stored.mode != "job" or stored.attempt is None:
        return
    jobs = stage.backends.jobs_with(stored.attempt)
    if jobs.known(stored.attempt.handle):
        jobs.cancel(stored.attempt.handle)
        jobs.forget(stored.attempt.handle)
