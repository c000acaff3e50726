"""Whose turn it is with what there is once a process: sys.modules, sys.path, os.environ, the working directory.

Used by the loader and by `execution.perform`.
"""

import threading

_start = threading.Thread.start


class _Turn:
    """A thread's hold on the process; the threads that it has started since take turns with each other inside it."""

    def __init__(self, outer: "_Turn | None", lock: threading.Lock) -> None:
        self.owner = threading.current_thread()
        self.outer = outer
        self.lock = lock
        self.depth = 1
        self.inside = threading.Lock()
        self.over = False


class ProcessState:
    """A lock, which the thread that has it may take again, and so may the threads that it has started since.

    An action that waits for threads of its own, which run actions, would wait forever otherwise. While such a run is at
    work, the process is as that run wants it, and the outer one goes on when all of them have ended.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        thread = threading.current_thread()
        turn = _turn_of(thread)
        if turn is not None and turn.owner is thread:
            turn.depth += 1
            return
        while True:
            while turn is not None and turn.over:
                turn = turn.outer
            lock = turn.inside if turn is not None else self._lock
            lock.acquire()
            if turn is None or not turn.over:
                break
            lock.release()
        vars(thread)["_synapse_turn"] = _Turn(turn, lock)

    def __exit__(self, *raised: object) -> None:
        thread = threading.current_thread()
        turn = _turn_of(thread)
        assert turn is not None
        turn.depth -= 1
        if turn.depth == 0:
            try:
                with turn.inside:  # runs of its threads are through
                    turn.over = True
            finally:
                turn.over = True
                vars(thread)["_synapse_turn"] = turn.outer
                turn.lock.release()


def _turn_of(thread: threading.Thread) -> _Turn | None:
    """The turn that it has, or else that it was started in."""
    found: _Turn | None = vars(thread).get("_synapse_turn")
    return found


def _start_inside(thread: threading.Thread) -> None:
    vars(thread)["_synapse_turn"] = _turn_of(threading.current_thread())
    _start(thread)


threading.Thread.start = _start_inside  # type: ignore[method-assign, assignment]
