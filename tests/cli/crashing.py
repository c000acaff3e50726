"""A client that kills itself (-9) at one place of its work: `python -m tests.cli.crashing PLACE FILE WORD...`.

A place is what synapse does to a file, a socket or a process, and the function that does it; the client dies there
before it is done. FILE takes the places that it came by, one a line. Python's audit events tell of them.
"""

import os
import re
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import synapse_spec

_OWN = os.path.dirname(synapse_spec.__file__) + os.sep
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_ID = re.compile(r"/synapse-[\w-]+")
_MOST_TIMES = 4  # of one place: the intent, that it was submitted, what came of it, and what there is to be cleaned


class Watch:
    """The audit hook."""

    def __init__(self, crash_at: str, listed: Path) -> None:
        self._crash_at = crash_at
        self._listed = listed
        self._times: Counter[str] = Counter()
        self._busy = threading.local()

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        what = _what(event, args)
        if what is None or getattr(self._busy, "on", False):
            return
        self._busy.on = True
        try:
            self._came_by(what)
        finally:
            self._busy.on = False

    def _came_by(self, what: str) -> None:
        where = _where()
        if where is None or self._times[f"{what} {where}"] == _MOST_TIMES:
            return
        self._times[f"{what} {where}"] += 1
        place = f"{what} {where} {self._times[f'{what} {where}']}"
        if place == self._crash_at:
            os.kill(os.getpid(), signal.SIGKILL)
        with self._listed.open("a") as file:
            file.write(f"{place}\n")


def _what(event: str, args: tuple[Any, ...]) -> str | None:
    """What is done, without the names of files and jobs; None for what leaves no trace."""
    match event:
        case "open":
            named = not isinstance(args[0], int)
            return "write" if named and isinstance(args[2], int) and args[2] & _WRITES else None
        case "http.client.send":
            verb, path = args[1].decode(errors="replace").split(" ", 2)[:2]
            # Looking is done again and again.
            return f"{verb} {_ID.sub('/ID', path)}" if verb in ("POST", "PUT", "DELETE") else None
        case "os.rename" | "os.remove" | "shutil.rmtree":
            return event
    return None


def _where() -> str | None:
    """The function of ours that does it; None for none, as while Python imports."""
    frame = sys._getframe(3)
    while frame is not None:
        code = frame.f_code
        if "importlib" in code.co_filename:
            return None
        if code.co_filename.startswith(_OWN):
            return f"{code.co_filename.removeprefix(_OWN)}:{code.co_name}"
        frame = frame.f_back  # type: ignore[assignment]
    return None


if __name__ == "__main__":
    from synapse_spec.cli.main import main

    sys.addaudithook(Watch(sys.argv[1], Path(sys.argv[2])))
    sys.argv[1:3] = []
    main()
