"""Which jobs' outcomes are safe here, so that Ray's records of them can go when they are old. Used by `JobRunner`.

Only these are ours to drop: a job whose outcome nobody has fetched, or another workspace's, stays.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable, JobsApiError
from synapse_spec.plugins.executors.ray.jobs_api import TERMINAL, JobsApi

# For so long they are on the dashboard, for those who look there, and can be adopted by another checkout.
KEPT_SECONDS = 7 * 24 * 3600.0
# Ray, which looks once a second, would take one that is deleted at once for a failed one.
SETTLED_SECONDS = 4.0
_GONE_SECONDS = 28 * 24 * 3600.0  # after which a cluster that was not used is taken to be gone


class Fetched:
    """Files named by the jobs' ids, each with the dashboard that has the job.

    Args:
        folder: Where the files are.
        api: The cluster.
        keep: How old a record may get after it was fetched, in seconds.
    """

    def __init__(self, folder: Path, api: JobsApi, keep: float) -> None:
        self._folder = folder
        self._api = api
        self._keep = max(keep, SETTLED_SECONDS)

    def note(self, submission_id: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._folder / submission_id).write_text(self._api.dashboard)

    def clean(self) -> None:
        """Drop Ray's records of jobs that were fetched long ago."""
        with suppress(ClusterUnreachable):
            for path in self._old():
                with suppress(JobsApiError, OSError):
                    self._drop(path)

    def _old(self) -> Iterator[Path]:
        before = time.time() - self._keep
        for path in self._folder.glob("*"):
            with suppress(OSError):
                if path.stat().st_mtime < before:
                    yield path

    def _drop(self, path: Path) -> None:
        elsewhere = path.read_text() != self._api.dashboard
        if elsewhere and path.stat().st_mtime > time.time() - self._keep - _GONE_SECONDS:
            return  # its cluster may be used again
        info = self._api.info(path.name) if not elsewhere else None
        if info is not None and info["status"] in TERMINAL:
            self._api.delete(path.name)
        path.unlink(missing_ok=True)
