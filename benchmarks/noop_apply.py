"""A no-op apply of 1,000 specs in 1,000 files against reading and hashing those files in Python."""

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.paired import Pair, Ratio, compare

COUNT = 1000
LIMIT = 5.0

_ACTION = """\
from pydantic import BaseModel

from synapse_spec.plugins.action import BaseAction


class Params(BaseModel):
    number: int = 0
    label: str = "x"


class Double(BaseAction[Params]):
    def execute(self):
        return {"doubled": 2 * self.params.number}
"""

_SPEC = """\
apiVersion: synapse.dev/v1
kind: Run
metadata:
  name: unit-{number}
spec:
  plugin: {{path: ../plugin}}
  action: double
  params:
    number: {number}
    label: unit {number}
"""

# What the limit is measured against: every spec, status and plugin file is read and hashed.
_PEER = """\
import hashlib, pathlib
for path in pathlib.Path('.').rglob('*'):
    if path.is_file() and '.synapse' not in path.parts:
        hashlib.sha256(path.read_bytes()).hexdigest()
"""


def measure() -> Ratio:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_workspace(folder, COUNT)
        ours = [sys.executable, "-m", "synapse_spec", "apply", "specs"]
        subprocess.run(ours, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        label = f"no-op apply of {COUNT} specs / reading and hashing their files"
        return compare(label, Pair(ours, [sys.executable, "-c", _PEER], folder), LIMIT)


def make_workspace(folder: Path, count: int) -> None:
    """A plugin and `count` specs of it, one a file."""
    (folder / "synapse.toml").touch()
    package = folder / "plugin" / "plugin"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "double.py").write_text(_ACTION)
    config = "name: Bench\ncode: bench\nactions:\n  double: plugin.double:Double\n"
    (folder / "plugin" / "config.yaml").write_text(config)
    (folder / "specs").mkdir()
    for number in range(count):
        (folder / "specs" / f"unit-{number:05}.yaml").write_text(_SPEC.format(number=number))
