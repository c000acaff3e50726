"""Files that actors on this machine write to, where their driver finds what one wrote just before it died.

A file holds what one call has written, secrets as they are, so only its user may read it, and it is gone when the call
has ended. Made by `actor_pool`; `worker` has the end of the story, `actor` writes it.
"""

import itertools
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from synapse_spec.plugins.capture import Reader
from synapse_spec.plugins.events import Emit, Event, Output


class Tapes:
    """The files of one driver's actors.

    Args:
        base: A folder that goes with the cluster, should we not come to clean up.
    """

    def __init__(self, base: str) -> None:
        _sweep(Path(base))
        self._folder = tempfile.mkdtemp(prefix=f"tapes-{os.getpid()}-", dir=base)
        self._numbers = itertools.count()

    def new(self) -> str:
        """What the paths of an actor's files begin with; the number of the call is the rest."""
        return os.path.join(self._folder, f"{next(self._numbers)}-")

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def play_rest(path: str, heard: int, emit: Emit) -> None:
    """Emit the lines of a file but the first `heard`; nothing where there is none. The file is removed."""
    lines = 0

    def unheard(event: Event) -> None:
        nonlocal lines
        lines += isinstance(event, Output)
        if lines > heard:
            emit(event)

    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        os.unlink(path)
        try:
            Reader(descriptor, unheard).finish()
        finally:
            os.close(descriptor)


def _sweep(base: Path) -> None:
    """Remove what drivers have left that were killed."""
    for folder in base.glob("tapes-*"):
        try:
            os.kill(int(folder.name.split("-")[1]), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except PermissionError:  # another user's, with a number that was given anew
            continue
