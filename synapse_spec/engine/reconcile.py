"""Runs what a plan says is due: in dependency order, local runs on the main thread, the others beside it.

The main thread takes local runs from a queue; each run that ends, on whatever thread, starts those that waited for
it. So task and job runs go on while a local run is busy. Called by `apply`.
"""

import os
import queue
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from synapse_spec.engine.attempt import Stage, reconcile
from synapse_spec.engine.backends import Cancel
from synapse_spec.engine.locks import LockHeld
from synapse_spec.engine.options import Report
from synapse_spec.engine.plan import BLOCK, SUSPEND, Plan
from synapse_spec.engine.status import PENDING, RUNNING, RunStatus, timestamp
from synapse_spec.plugins.enums import ExecutionMode
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.spec.model import Run

_WATCH_SECONDS = 0.2
# Each waiting job costs a thread and a request a second.
_MOST_JOBS = 32


class Reconciler:
    """Carries out one plan; used once, on the main thread."""

    def __init__(self, plan: Plan, stage: Stage) -> None:
        self._plan = plan
        self._stage = stage
        self._report = Report()
        self._lock = threading.RLock()
        self._open = {entry.run.name for entry in plan.due}
        self._started: set[str] = set()
        self._cancels: dict[str, Cancel] = {}
        self._local: queue.SimpleQueue[Run | None] = queue.SimpleQueue()
        self._main = _MainThread()
        self._defect: BaseException | None = None
        self._pools = {
            ExecutionMode.TASK: ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="synapse-task"),
            ExecutionMode.JOB: ThreadPoolExecutor(_MOST_JOBS, thread_name_prefix="synapse-job"),
        }

    def run(self) -> Report:
        """Carry the plan out.

        Raises:
            KeyboardInterrupt: The user stopped it; local and task runs are Interrupted then, jobs go on.
        """
        self._hold_back()
        if not self._open:
            return self._report
        watcher = threading.Thread(target=self._watch, name="synapse-watch", daemon=True)
        watcher.start()
        try:
            with self._main.signals():
                self._advance()
                while (run := self._local.get()) is not None and not self._stage.stop.is_set():
                    self._run_local(run)
        except KeyboardInterrupt:
            self._stage.leave.set()
            if not self._report.gave_up:
                raise
        finally:
            self._stage.stop.set()
            watcher.join()
            for pool in self._pools.values():
                pool.shutdown(wait=True, cancel_futures=True)
        if self._defect is not None:
            raise self._defect
        return self._report

    def _hold_back(self) -> None:
        """Write the status of runs that are blocked or suspended from the start."""
        now = timestamp()
        for entry in self._plan.entries.values():
            if entry.decision.step == SUSPEND:
                self._stage.write(entry.run, entry.status.suspended(now))
            elif entry.decision.step == BLOCK:
                self._stage.write(
                    entry.run, entry.status.blocked(f"waiting for {', '.join(entry.decision.waiting_for)}", now)
                )

    def _advance(self) -> None:
        """Start every run whose dependencies are ready; block those whose dependencies will not be."""
        with self._lock:
            moved = True
            while moved:
                moved = False
                for name in [name for name in self._plan.entries if name in self._open - self._started]:
                    moved |= self._try_start(self._plan.entries[name].run)
            if not self._open or (self._stage.stop.is_set() and not self._started & self._open):
                self._local.put(None)

    def _try_start(self, run: Run) -> bool:
        """Start or block one run; False while it has to wait."""
        if self._stage.stop.is_set():
            return False
        planned = [name for name in run.depends_on if name in self._plan.entries]
        unready = [name for name in planned if not self._succeeded(name)]
        if any(name in self._open for name in unready):
            return False
        if unready:
            self._open.discard(run.name)
            if self._report.unreachable is None and not any(self._phase(name) == RUNNING for name in unready):
                status = self._stage.statuses.get(run.name) or RunStatus(run.name)
                words = [f"run {name!r} is {self._phase(name)}" for name in unready]
                self._stage.write(run, status.blocked(", ".join(words), timestamp()))
            return True
        self._started.add(run.name)
        self._cancels[run.name] = Cancel()
        if run.mode is ExecutionMode.LOCAL:
            self._local.put(run)
        else:
            self._pools[run.mode].submit(self._run_beside, run)
        return True

    def _phase(self, name: str) -> str:
        status = self._stage.statuses.get(name)
        return status.phase if status is not None else PENDING

    def _succeeded(self, name: str) -> bool:
        status = self._stage.statuses.get(name)
        return name not in self._open and status is not None and status.has_result

    def _run_local(self, run: Run) -> None:
        """A local run; a KeyboardInterrupt that the watcher caused ends only this run."""
        try:
            with self._main.busy(run.name, run.timeout):
                self._one(run)
        except KeyboardInterrupt:
            if not self._cancels[run.name].is_set() or self._report.gave_up:
                raise
            self._ended(run, self._stage.statuses[run.name])

    def _run_beside(self, run: Run) -> None:
        try:
            self._one(run)
        except BaseException as error:  # a defect of ours: shown by the main thread, once the others have ended
            with self._lock:
                self._defect = self._defect or error
                self._open.discard(run.name)
            self._stop_all()
            self._local.put(None)

    def _one(self, run: Run) -> None:
        try:
            status = reconcile(run, self._stage, self._cancels[run.name])
        except LockHeld:
            self._report.locked.append(run.name)
            status = self._stage.statuses.get(run.name) or RunStatus(run.name)
        except ClusterUnreachable as error:
            self._report.unreachable = error.message
            status = self._stage.statuses.get(run.name) or RunStatus(run.name)
        self._ended(run, status)

    def _ended(self, run: Run, status: RunStatus) -> None:
        with self._lock:
            self._stage.statuses[run.name] = status
            self._report.ran.append(run.name)
            self._open.discard(run.name)
            if self._stage.options.fail_fast and status.phase in ("Failed", "Cancelled"):
                self._stop_all()
            self._advance()

    def _stop_all(self) -> None:
        self._stage.stop.set()
        for cancel in list(self._cancels.values()):
            cancel.request("Cancelled")

    def _watch(self) -> None:
        """Look for requests to cancel, for a local run's timeout, and for the end of the time for the whole."""
        limit = self._stage.options.timeout
        deadline = time.monotonic() + limit if limit is not None else None
        while not self._stage.stop.wait(_WATCH_SECONDS):
            for name in self._requested():
                self._cancels[name].request("Cancelled")
                self._main.interrupt(name)
            if late := self._main.late():
                self._cancels[late].request("TimedOut")
                self._main.interrupt(late)
            if deadline is not None and time.monotonic() > deadline:
                self._report.gave_up = True
                self._stage.leave.set()
                self._stop_all()
                self._main.interrupt(None)
        for name, cancel in list(self._cancels.items()):
            cancel.request("Cancelled")
            self._main.interrupt(name)

    def _requested(self) -> list[str]:
        """Running runs that someone asked to cancel; the request is taken away."""
        folder = self._stage.workspace.cancels
        if not folder.is_dir():
            return []
        names = [name for name in os.listdir(folder) if name in self._cancels and name in self._open]
        for name in names:
            (folder / name).unlink(missing_ok=True)
        return names


class _MainThread:
    """What the main thread is at, and the way to interrupt it: only a signal reaches into an action at work."""

    def __init__(self) -> None:
        self._name: str | None = None
        self._deadline: float | None = None
        self._aimed_at: list[str | None] = []

    @contextmanager
    def busy(self, name: str, timeout: float | None) -> Iterator[None]:
        self._deadline = time.monotonic() + timeout if timeout is not None else None
        self._name = name
        try:
            yield
        finally:
            self._name = self._deadline = None

    def late(self) -> str | None:
        """The run at work, once, when its time is over."""
        deadline, name = self._deadline, self._name
        if deadline is None or time.monotonic() < deadline:
            return None
        self._deadline = None
        return name

    def interrupt(self, name: str | None) -> None:
        """Interrupt the main thread if it is at `name`; in any case for None."""
        if name is None or name == self._name:
            self._aimed_at.append(name)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Let an interrupt of ours that comes too late pass, and treat SIGTERM as Ctrl-C."""

        def on_interrupt(number: int, frame: Any) -> None:
            aim = self._aimed_at.pop() if self._aimed_at else None
            if aim is None or aim == self._name:
                raise KeyboardInterrupt

        old = {number: signal.signal(number, on_interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)
