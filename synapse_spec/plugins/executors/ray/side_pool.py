"""SidePool: a task pool in a process of its own, since a process can be the driver of one cluster only.

Made by the engine for each further cluster. Invocations go over a pipe, events and outcomes come back, and the process
ends when the pipe does, so that it never outlives us.
"""

import itertools
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from synapse_spec.plugins.events import Emit
from synapse_spec.plugins.execution import Invocation
from synapse_spec.plugins.executors.ray.actor_pool import TaskOptions, TaskPool
from synapse_spec.plugins.executors.ray.cluster import Cluster
from synapse_spec.plugins.executors.ray.embedded import needed_environ
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.plugins.outcome import ErrorInfo, Outcome

_GLANCE_SECONDS = 0.2  # how soon a cancellation is seen
_END_SECONDS = 10.0


class SidePool:
    """Warm actors of one cluster, as `TaskPool` has them, whatever cluster this process is a driver of.

    Args:
        cluster: The process becomes its driver, until `close`.
        limit: The most actors at once; the cluster's number of CPUs by default.
        environ: What actions on an embedded cluster find in their environment.

    Attributes:
        limit: The most actors at once.

    Raises:
        ClusterUnreachable: It does not take us.
    """

    def __init__(self, cluster: Cluster, limit: int | None = None, *, environ: Mapping[str, str] | None = None) -> None:
        ours, its = socket.socketpair()
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__, str(its.fileno())],
                pass_fds=[its.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env=needed_environ(),
            )
        self._pipe = Connection(ours.detach())
        self._sending = threading.Lock()
        self._numbers = itertools.count()
        self._waiting: dict[int, queue.SimpleQueue[Any]] = {}
        self._gone = False
        try:
            self._pipe.send((cluster, limit, dict(environ if environ is not None else os.environ)))
            answer = self._pipe.recv()
        except (OSError, EOFError):
            answer = "its driver process ended at once"
        if isinstance(answer, str):
            self.close()
            raise ClusterUnreachable(answer)
        self.limit: int = answer
        threading.Thread(target=self._receive, name="synapse-side-pool", daemon=True).start()

    def run(self, invocation: Invocation, options: TaskOptions, emit: Emit, cancelled: threading.Event) -> Outcome:
        """As `TaskPool.run`."""
        number, answers, told = next(self._numbers), queue.SimpleQueue[Any](), False
        self._waiting[number] = answers
        self._send((number, invocation, options))
        while True:
            if cancelled.is_set() and not told:
                told = True
                self._send((number, None, None))
            try:
                answer = answers.get(timeout=_GLANCE_SECONDS)
            except queue.Empty:
                if self._gone and answers.empty():
                    return Outcome("WorkerDied", error=ErrorInfo("WorkerDied", "the cluster's driver process ended"))
                continue
            if isinstance(answer, Outcome):
                del self._waiting[number]
                return answer
            emit(answer)

    def close(self) -> None:
        """End the actors, and the process."""
        with suppress(OSError):
            self._send(None)
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()  # and Ray ends the actors of a driver that is gone
            self._process.wait()

    def _send(self, message: Any) -> None:
        with self._sending, suppress(BrokenPipeError):  # then `_receive` finds it gone
            self._pipe.send(message)

    def _receive(self) -> None:
        with suppress(OSError, EOFError):
            while True:
                number, answer = self._pipe.recv()
                self._waiting[number].put(answer)
        self._gone = True


class _Driver:
    """The other end of the pipe."""

    def __init__(self, pipe: "Connection[Any, Any]") -> None:
        self._pipe = pipe
        self._sending = threading.Lock()
        self._cancels: dict[int, threading.Event] = {}

    def serve(self) -> None:
        """Return when the pipe ends, or is asked to."""
        cluster, limit, environ = self._pipe.recv()
        try:
            pool = TaskPool(cluster, limit, environ=environ)
        except ClusterUnreachable as error:
            self._pipe.send(error.message)
            return
        self._pipe.send(pool.limit)
        with suppress(EOFError, OSError):
            while (message := self._pipe.recv()) is not None:
                self._take(pool, *message)
        for cancelled in list(self._cancels.values()):
            cancelled.set()
        pool.close()

    def _take(self, pool: TaskPool, number: int, invocation: Invocation | None, options: TaskOptions) -> None:
        if invocation is None:
            if (cancelled := self._cancels.get(number)) is not None:
                cancelled.set()
            return
        self._cancels[number] = threading.Event()
        threading.Thread(target=self._run, args=(pool, number, invocation, options), daemon=True).start()

    def _run(self, pool: TaskPool, number: int, invocation: Invocation, options: TaskOptions) -> None:
        try:
            outcome = pool.run(invocation, options, lambda event: self._tell(number, event), self._cancels[number])
        except Exception as error:
            outcome = Outcome("WorkerDied", error=ErrorInfo(type(error).__name__, str(error)))
        del self._cancels[number]
        self._tell(number, outcome)

    def _tell(self, number: int, answer: Any) -> None:
        with self._sending, suppress(OSError):
            self._pipe.send((number, answer))


if __name__ == "__main__":
    _Driver(Connection(int(sys.argv[1]))).serve()
    os._exit(0)  # whatever threads are still at
