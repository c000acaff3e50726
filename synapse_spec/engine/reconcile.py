"""Runs what a plan says is due: in dependency order, local runs on the main thread, the others beside it.

The main thread takes local runs from a queue; each run that ends, on whatever thread, starts those that waited for
it. So task and job runs go on while a local run is busy. Called by `apply`.
"""

import math
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from synapse_spec.engine.attempt import reconcile
from synapse_spec.engine.backends import Cancel
from synapse_spec.engine.locks import LockHeld, is_held
from synapse_spec.engine.options import Report
from synapse_spec.engine.plan import BLOCK, SKIP, SUSPEND, WAIT, Plan, Planned
from synapse_spec.engine.stage import Stage
from synapse_spec.engine.status import BLOCKED, CANCELLED, FAILED, INTERRUPTED, RUNNING, RunStatus
from synapse_spec.engine.sweep import parent_of
from synapse_spec.engine.times import timestamp
from synapse_spec.plugins.enums import ExecutionMode
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.plugins.outcome import ErrorInfo, Outcome
from synapse_spec.spec.diagnostics import InvalidSpec
from synapse_spec.spec.model import Run

_WATCH_SECONDS = 0.2
# Each job at work costs a thread while it is followed, one that waits for resources does not.
_MOST_JOBS = 64


class Reconciler:
    """Carries out one plan; used once, on the main thread.

    A run that is due is pending until it is started, then working until it ends; one whose job waits for resources is
    pending again. `_lock` guards which is where.
    """

    def __init__(self, plan: Plan, stage: Stage) -> None:
        self._plan = plan
        self._stage = stage
        self._report = Report()
        self._lock = threading.RLock()
        self._pending = {entry.run.name: entry for entry in plan.due}
        self._working: dict[str, Cancel] = {}
        self._held: set[str] = set()  # pending, and another process was at it when we looked
        self._submitted: set[str] = set()  # pending, and its job waits, or did when we last looked
        self._open_ended: set[str] = set()  # not pending, and it is not known how it ends
        self._local: queue.SimpleQueue[Planned | None] = queue.SimpleQueue()
        self._defect: BaseException | None = None
        self._pools = {
            ExecutionMode.TASK: ThreadPoolExecutor(stage.backends.most_tasks, thread_name_prefix="synapse-task"),
            ExecutionMode.JOB: ThreadPoolExecutor(_MOST_JOBS, thread_name_prefix="synapse-job"),
        }

    def run(self) -> Report:
        """Carry the plan out.

        Raises:
            KeyboardInterrupt: The user stopped it; local and task runs are Interrupted then, jobs go on.
        """
        for entry in self._plan.entries.values():
            self._record(entry)
        if self._pending:
            with self._stage.main.signals(wake=lambda: self._local.put(None)):
                self._work_off()
        return self._report

    def _work_off(self) -> None:
        watcher = threading.Thread(target=self._watch, name="synapse-watch", daemon=True)
        waiting = self._stage.backends.waiting
        waiting.on_moved = lambda name: self._advance()
        waiting.on_note = lambda name, text: self._stage.observer.note(self._plan.entries[name].run, text)
        watcher.start()
        try:
            self._advance()
            while (entry := self._local.get()) is not None and not self._stopping:
                self._one(entry)
        except BaseException:  # a defect of ours, or a user who insists: jobs are not to suffer
            self._stage.leave.set()
            raise
        finally:
            self._stage.stop.set()
            watcher.join()
            for pool in self._pools.values():
                pool.shutdown(wait=True)  # what has not begun finds that it is to end
        if self._defect is not None:
            raise self._defect
        if self._stage.main.stopped:
            raise KeyboardInterrupt

    @property
    def _stopping(self) -> bool:
        return self._stage.stop.is_set() or self._stage.main.stopped

    def _record(self, entry: Planned) -> None:
        """Write what is decided already: blocked, suspended, or free again."""
        if entry.decision.step == SUSPEND:
            self._hold(entry.run, None)
        elif entry.decision.step == BLOCK:
            self._hold(entry.run, entry.decision.text)
        elif entry.decision.step == SKIP and entry.writes:
            self._stage.release(entry.run)
        elif entry.decision.reason == "running" and entry.decision.step == WAIT:
            self._stage.observer.note(entry.run, "another process is at it; waiting for that")

    def _hold(self, run: Run, why: str | None) -> None:
        """Write that a run is blocked (`why`) or suspended; not over one that is at work."""
        now = timestamp()

        def held(status: RunStatus) -> RunStatus:
            if status.phase == RUNNING and (status.mode == "job" or is_held(self._stage.workspace, run.name)):
                return status
            return status.suspended(now) if why is None else status.blocked(why, now)

        self._stage.change(run, held)

    def _advance(self) -> None:
        """Start every run whose dependencies are ready; block those whose dependencies will not be."""
        with self._lock:
            for entry in list(self._pending.values()):  # dependencies first
                if not self._stopping:
                    self._try_start(entry)
            if not self._working and (self._stopping or not self._pending):
                self._local.put(None)

    def _try_start(self, entry: Planned) -> None:
        """Start or block one run, unless it has to wait."""
        name = entry.run.name
        unready = [item for item in entry.run.depends_on if item in self._plan.entries and not self._is_ready(item)]
        if name in self._held or name in self._stage.backends.waiting:
            return
        if any(item in self._pending or item in self._working for item in unready):
            return
        if name not in self._submitted and self._at_work_beside(entry.run) >= (entry.run.max_parallel or math.inf):
            return
        del self._pending[name]
        if not unready:
            self._start(entry)
        elif self._open_ended.isdisjoint(unready):
            self._hold(entry.run, ", ".join(f"run {item!r} is {self._phase(item)}" for item in unready))
        else:
            self._open_ended.add(name)

    def _at_work_beside(self, run: Run) -> int:
        """How many siblings of a child are at work, or are jobs that wait."""
        at_work = self._working.keys() | self._submitted
        return sum(parent_of(name) == run.parent for name in at_work) if run.parent else 0

    def _is_ready(self, name: str) -> bool:
        status = self._stage.statuses.get(name)
        open_yet = name in self._pending or name in self._working
        return not open_yet and status is not None and status.has_result and status.phase != BLOCKED

    def _phase(self, name: str) -> str:
        return (self._stage.statuses.get(name) or RunStatus(name)).phase

    def _start(self, entry: Planned) -> None:
        self._working.setdefault(entry.run.name, Cancel())
        if entry.mode is ExecutionMode.LOCAL:
            self._local.put(entry)
        else:
            self._pools[entry.mode].submit(self._one_beside, entry)

    def _one_beside(self, entry: Planned) -> None:
        try:
            self._one(entry)
        except BaseException as error:  # shown by the main thread, once the others have ended
            self._defect = self._defect or error
            self._stage.leave.set()
            self._stage.stop.set()
            with self._lock:
                self._working.pop(entry.run.name, None)
                self._advance()

    def _one(self, entry: Planned) -> None:
        run, again, cancel = entry.run, False, self._working[entry.run.name]
        if cancel.is_set() and (run.name not in self._submitted or self._stage.leave.is_set()):
            self._ended(entry, again=False)  # it was to end before it was started
            return
        try:
            status = reconcile(run, self._stage, cancel)
            if status.phase == RUNNING:
                again = self._stage.options.wait and status.mode == "job" and not self._stage.leave.is_set()
                (self._submitted if again else self._open_ended).add(run.name)
            if status.phase in (FAILED, CANCELLED):
                self._stop_after(run)
        except LockHeld:
            again = self._stage.options.wait
            if again:
                self._held.add(run.name)
            else:
                self._report.locked.append(run.name)
                self._open_ended.add(run.name)
        except ClusterUnreachable as error:
            self._report.unreachable[run.name] = error.message
            self._open_ended.add(run.name)
        except (InvalidSpec, OSError):  # what happens cannot be written, so nothing more is to happen
            raise
        except Exception as error:  # a defect of ours costs this run alone, and is shown once the others have ended
            self._fail(run, error)
            self._defect = self._defect or error
        self._ended(entry, again=again)

    def _stop_after(self, run: Run) -> None:
        """A run failed: nothing more is to be started, or no more of its siblings; those at work are ended."""
        if self._stage.options.fail_fast:
            self._stage.stop.set()
        elif run.fail_fast:
            with self._lock:
                for name in [name for name in (*self._pending, *self._working) if parent_of(name) == run.parent]:
                    if name not in self._submitted:
                        self._pending.pop(name, None)
                    if name != run.name:
                        self._end(name)

    def _fail(self, run: Run, error: Exception) -> None:
        """End the attempt that broke; a job goes on, and the next apply follows it."""
        outcome = Outcome("InternalError", error=ErrorInfo(type(error).__name__, str(error)))

        def failed(status: RunStatus) -> RunStatus:
            at_work = status.phase == RUNNING and status.mode != "job"
            return status.finished(outcome, timestamp()) if at_work else status

        if self._stage.change(run, failed).phase == RUNNING:
            self._open_ended.add(run.name)

    def _ended(self, entry: Planned, *, again: bool) -> None:
        with self._lock:
            cancel = self._working.pop(entry.run.name)
            if again:
                self._pending[entry.run.name] = entry
                if cancel.is_set():  # since it was let go of
                    self._end(entry.run.name)
            else:
                self._submitted.discard(entry.run.name)
                self._report.ran.append(entry.run.name)
            self._advance()

    def _watch(self) -> None:
        """Look for requests to cancel, for what takes too long, and for runs that another process has let go."""
        limit = self._stage.options.timeout
        deadline = None if limit is None else time.monotonic() + limit
        try:
            while not self._stage.stop.wait(_WATCH_SECONDS) and not self._stage.main.stopped:
                for name in self._requested():
                    self._end(name)
                self._stage.main.end_late()
                if deadline is not None and time.monotonic() > deadline:
                    self._report.gave_up = True
                    break
                with self._lock:
                    if self._held:
                        self._held.clear()
                        self._advance()
        finally:
            self._end_all()

    def _requested(self) -> list[str]:
        """Runs of ours that someone asked to cancel; the request is taken away."""
        request = self._stage.workspace.cancel
        names = [name for name in list(self._stage.owned) if request(name).exists()]
        for name in names:
            request(name).unlink(missing_ok=True)
        return names

    def _end(self, name: str) -> None:
        why = INTERRUPTED if self._stage.leave.is_set() else "Cancelled"
        with self._lock:
            submitted = self._pending.pop(name, None) if name in self._submitted else None
            if submitted is not None:  # it is taken up again, to be ended
                self._stage.backends.waiting.discard(name)
                self._working[name] = Cancel()
            cancel = self._working.get(name)
            if cancel is not None:
                cancel.request(why)
                self._stage.main.end(name, why)
            if submitted is not None:
                self._start(submitted)

    def _end_all(self) -> None:
        """End what is at work; jobs only if a failure is to stop everything."""
        with self._lock:
            if self._stage.main.stopped or self._report.gave_up:
                self._stage.leave.set()
            self._stage.stop.set()
            waiting = () if self._stage.leave.is_set() else self._submitted
            for name in {*self._working, *waiting}:
                self._end(name)
            self._local.put(None)
