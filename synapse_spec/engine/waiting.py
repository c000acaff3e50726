"""Jobs that wait for resources: one thread looks at all of them, by one request for each cluster. Used by `backends`.

So hundreds of waiting jobs cost neither a thread nor a request each. The reconciler hears of those that have moved on.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable, JobsApiError

if TYPE_CHECKING:
    from synapse_spec.plugins.executors.ray.job import JobRunner

_POLL_SECONDS = 1.0
_EAGER_POLL_SECONDS = 0.25  # while there are new ones: most do not wait for long
_EAGER_SECONDS = 5.0
_TOLD_AFTER_SECONDS = 10.0
_PATIENCE_SECONDS = 30.0  # with a cluster that does not answer for a while


@dataclass(slots=True)
class _Waiting:
    """A job that waits; `seen` is when we last knew that it did (monotonic, like `since`)."""

    jobs: "JobRunner"
    handle: str
    limit: float | None
    since: float = field(default_factory=time.monotonic)
    seen: float = field(default_factory=time.monotonic)
    told: bool = False


class WaitingJobs:
    """By the names of their runs; may be used by many threads at once.

    Attributes:
        on_moved: Called when a job has started, has ended, has waited for too long or cannot be looked at.
        on_note: Called with a remark for people.
    """

    def __init__(self) -> None:
        self.on_moved: Callable[[str], None] = lambda name: None
        self.on_note: Callable[[str, str], None] = lambda name, text: None
        self._lock = threading.Lock()
        self._waiting: dict[str, _Waiting] = {}
        self._thread: threading.Thread | None = None

    def add(self, name: str, jobs: "JobRunner", handle: str, limit: float | None) -> None:
        """Look after a job; `limit` is how many seconds it may wait for resources."""
        with self._lock:
            self._waiting[name] = _Waiting(jobs, handle, limit)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="synapse-waiting", daemon=True)
                self._thread.start()

    def __contains__(self, name: str) -> bool:
        return name in self._waiting

    def discard(self, name: str) -> bool:
        """Look after it no longer; whether it was looked after."""
        with self._lock:
            return self._waiting.pop(name, None) is not None

    def _watch(self) -> None:
        while True:
            with self._lock:
                waiting = dict(self._waiting)
                if not waiting:
                    self._thread = None
                    return
            before = time.monotonic()
            for jobs in {item.jobs for item in waiting.values()}:
                self._look(jobs, {name: item for name, item in waiting.items() if item.jobs is jobs})
            now = time.monotonic()
            new = any(now - item.since < _EAGER_SECONDS for item in waiting.values())
            # What is long to get is asked for less often.
            time.sleep(max(_EAGER_POLL_SECONDS if new else _POLL_SECONDS, 5 * (now - before)))

    def _look(self, jobs: "JobRunner", waiting: dict[str, _Waiting]) -> None:
        """One look at the jobs of one cluster."""
        from synapse_spec.plugins.executors.ray.job_follower import has_waited

        now = time.monotonic()
        try:
            records = jobs.records([item.handle for item in waiting.values()])
        except (ClusterUnreachable, JobsApiError):
            moved = [name for name, item in waiting.items() if jobs.gone or now - item.seen > _PATIENCE_SECONDS]
        else:
            moved = []
            for name, item in waiting.items():
                item.seen, record = now, records[item.handle]
                if record is None or record["status"] != "PENDING" or has_waited(record, item.limit):
                    moved.append(name)
                elif not item.told and now - item.since > _TOLD_AFTER_SECONDS:
                    item.told = True
                    self.on_note(name, "the job waits for resources, or for its turn to be started")
        for name in moved:
            if self.discard(name):
                self.on_moved(name)
