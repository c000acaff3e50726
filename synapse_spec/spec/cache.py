"""What the caches in `.synapse/cache/` have in common. Used by `catalog` and `index`."""

import hashlib
import os
import sys
import time
from functools import cache
from pathlib import Path

import synapse_spec
from synapse_spec.plugins.files import State, state_of

# A file that was written less than this before it was looked at may be written again without its times changing.
_RACY_SECONDS = 0.1
_MADE_BY = ("plugins", "spec", "engine")


def is_settled(state: State) -> bool:
    """Whether another write to a file of that state would show in its times, of which mtime can be set at will."""
    return time.time() - max(state[1:3]) / 1e9 >= _RACY_SECONDS


def write(path: Path, text: str) -> None:
    """Write beside, then rename: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{time.time_ns()}.tmp")
    beside.write_text(text)
    beside.replace(path)


@cache
def made_by() -> str:
    """Changes by itself with Python and with our own code that what is kept is made by."""
    package = Path(synapse_spec.__file__).parent
    files = sorted(
        entry.path for folder in _MADE_BY for entry in os.scandir(package / folder) if entry.name.endswith(".py")
    )
    states = [state_of(file)[:2] for file in files]
    digest = hashlib.sha256(repr(states).encode()).hexdigest()[:16]
    return f"{synapse_spec.__version__}/{sys.version_info.major}.{sys.version_info.minor}/{digest}"
