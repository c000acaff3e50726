"""Ray's records of the jobs that this process looks at, with one request for all of them. Made by `JobRunner`."""

import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from synapse_spec.plugins.executors.ray.jobs_api import JobsApi

# So many are asked for one by one: the list is of all jobs of the cluster, whoever submitted them.
_FEW = 4
_FRESH_SECONDS = 0.5


class JobBoard:
    """May be used by many threads at once, each of which looks about once a second."""

    def __init__(self, api: JobsApi) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._watchers = 0
        self._records: dict[str, dict[str, Any]] = {}
        self._taken = 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """To be held by each thread that asks for a record again and again."""
        with self._lock:
            self._watchers += 1
        try:
            yield
        finally:
            with self._lock:
                self._watchers -= 1

    def record(self, submission_id: str) -> dict[str, Any] | None:
        """The record of one job, half a second old at most; None if Ray has none.

        Raises:
            ClusterUnreachable, JobsApiError: There is no telling.
        """
        return self._one(submission_id, {} if self._watchers <= _FEW else self._listed())

    def records(self, submission_ids: Collection[str]) -> dict[str, dict[str, Any] | None]:
        """The records of several jobs. Raises what `record` raises."""
        listed = {} if self._watchers + len(submission_ids) <= _FEW else self._listed()
        return {item: self._one(item, listed) for item in submission_ids}

    def _one(self, submission_id: str, listed: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
        """One that is not listed may be younger than the list."""
        return listed.get(submission_id) or self._api.info(submission_id)

    def _listed(self) -> dict[str, dict[str, Any]]:
        with self._lock:  # who comes while another one asks gets that answer
            if time.monotonic() - self._taken > _FRESH_SECONDS:
                jobs = self._api.jobs()
                self._records = {job["submission_id"]: job for job in jobs if job.get("submission_id")}
                self._taken = time.monotonic()
            return self._records
