"""`validate` of 1,000 specs in 1,000 files against check-jsonschema with the exported schema; and what it remembers.

The specs are training runs of 27 lines with 10 params and a few comments, about as those in `specs/examples`, of four
plugins with three actions each, as a repository of so many specs may well have. Both programs must find all of them
valid; for the last ratio a fifth of them has a typo, which both must find.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from benchmarks.paired import Pair, Ratio, compare
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.model import PluginRef

COUNT = 1000
LIMIT = 1 / 20
# Without the cache, config.yaml is read with pydantic, whose import costs as much as 1,000 specs.
EXPORTED_LIMIT = 1 / 8
# With no exported schemas either, the plugin's code is imported too.
LIVE_LIMIT = 1 / 7
# Where something is wrong, jsonschema is imported to say what, and its place is looked for.
WRONG_LIMIT = 1 / 5
# What is kept of a file: its name as it was given and in full, and the name, plugin and action of its run.
KIB_A_FILE = 2.0
_PAIRS = 3

_ACTION = """\
from typing import Literal

from pydantic import BaseModel, Field

from synapse_spec.plugins.action import BaseAction


class Augmentation(BaseModel):
    flip: bool = Field(True, description="Mirror half of the images.")
    rotate: float = Field(0.0, ge=0, le=180, description="Up to so many degrees.")
    crop: float = Field(1.0, gt=0, le=1, description="Keep this part of each side.")


class Params(BaseModel):
    dataset: str = Field(description="Folder of the prepared dataset.")
    epochs: int = Field(30, ge=1, description="Passes over the data.")
    learning_rate: float = Field(1e-3, gt=0, description="Of the optimizer.")
    batch_size: int = Field(32, ge=1)
    optimizer: Literal["adam", "sgd"] = "adam"
    hidden_units: list[int] = [64]
    augmentation: Augmentation = Augmentation()
    classes: list[str] = []
    warmup: int = Field(0, ge=0)
    seed: int = 0


class Train(BaseAction[Params]):
    def execute(self):
        return {"path": self.params.dataset}


class Evaluate(Train):
    pass


class Export(Train):
    pass
"""

_PLUGINS = ("detect", "segment", "classify", "track")
_ACTIONS = {"train": "Train", "evaluate": "Evaluate", "export": "Export"}

_SPEC = """\
# yaml-language-server: $schema=../schemas/synapse.schema.json
# One run of the learning rate study.
apiVersion: synapse.dev/v1
kind: Run
metadata:
  name: train-{number}
  labels: {{team: vision}}
spec:
  plugin: {{path: ../plugins/{plugin}}}   # relative to this file
  action: {action}
  mode: job
  params:
    dataset: /data/sets/{number}/train
    {epochs}: 30                        # passes over the data
    learning_rate: 0.00{number}1
    batch_size: 32
    optimizer: adam
    hidden_units: [256, 128, 64]
    augmentation:
      flip: true                      # mirror half of the images
      rotate: 15.0
      crop: 0.9
    classes: [car, bicycle, pedestrian]
    warmup: 500
    seed: {number}
  resources: {{cpus: 4, gpus: 1}}
  timeout: 2h
"""


@dataclass(frozen=True, slots=True)
class Memory:
    """How much more memory a process has at most with more files, in KiB a file."""

    name: str
    kib: float
    limit: float

    @property
    def holds(self) -> bool:
        return self.kib <= self.limit

    def line(self) -> str:
        verdict = "holds" if self.holds else "DOES NOT HOLD"
        return f"{self.name}: {self.kib:.2f} KiB a file (limit {self.limit:g}): {verdict}"


def measure() -> Iterator[Ratio | Memory]:
    with workspace(COUNT) as folder:
        _remember(folder)
        yield _against_peer("all valid, facts cached", folder, LIMIT)
        shutil.rmtree(folder / ".synapse")
        yield _against_peer("all valid, schemas exported, no cache", folder, EXPORTED_LIMIT)
        for plugin in _PLUGINS:
            (folder / "schemas" / f"{plugin}.schema.json").unlink()
        yield _against_peer("all valid, nothing known of the plugin", folder, LIVE_LIMIT)
    with workspace(COUNT, COUNT // 5) as folder:
        _remember(folder)
        yield _against_peer("a fifth with a typo, facts cached", folder, WRONG_LIMIT, (3, 1))
    yield small_files(1000, 20_000)
    yield large_files(20, 200)


def small_files(few: int, many: int) -> Memory:
    """Of what a file leaves behind: specs of the usual size."""
    kib = (_peak(many, "") - _peak(few, "")) / (many - few)
    return Memory(f"memory of validate, {few} and {many} specs", kib, KIB_A_FILE)


def large_files(few: int, many: int) -> Memory:
    """That no file is kept: specs of 1 MiB; what a process has at most varies by more than names take."""
    text = "x" * 2**20
    kib = (_peak(many, text) - _peak(few, text)) / (many - few)
    return Memory(f"memory of validate, {few} and {many} specs of 1 MiB", kib, 16 * KIB_A_FILE)


@contextmanager
def workspace(count: int, wrong: int = 0, more: str = "") -> Iterator[Path]:
    """Plugins, their exported schemas and `count` specs of them, one a file; the first `wrong` of them have a typo.

    Args:
        count: How many.
        wrong: How many with a typo.
        more: Text that each of them has in a param.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "synapse.toml").touch()
        for plugin in _PLUGINS:
            package = folder / "plugins" / plugin / "plugin"
            package.mkdir(parents=True)
            (package / "act.py").write_text(_ACTION)
            entries = "".join(f"  {action}: plugin.act:{name}\n" for action, name in _ACTIONS.items())
            (package.parent / "config.yaml").write_text(f"name: {plugin}\ncode: {plugin}\nactions:\n{entries}")
        (folder / "specs").mkdir()
        actions = list(product(_PLUGINS, _ACTIONS))
        for number in range(count):
            plugin, action = actions[number % len(actions)]
            epochs = "epohcs" if number < wrong else "epochs"
            text = _SPEC.format(number=number, epochs=epochs, plugin=plugin, action=action)
            (folder / "specs" / f"train-{number:05}.yaml").write_text(text.replace("car", f"car{more}"))
        _synapse(folder, "schema", "export", *(f"plugins/{plugin}" for plugin in _PLUGINS))
        yield folder


def _peak(count: int, more: str) -> float:
    """KiB that `validate` of so many specs has at most."""
    with workspace(count, more=more) as folder:
        words = [sys.executable, "-m", "synapse_spec", "validate", "specs"]
        process = subprocess.Popen(words, cwd=folder, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise subprocess.CalledProcessError(status, words)
        return usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)


def _remember(folder: Path) -> None:
    """Have the facts in the workspace's cache, as after an `apply`."""
    catalog = Catalog(folder.resolve())
    for plugin, action in product(_PLUGINS, _ACTIONS):
        catalog.action(PluginRef(path=folder.resolve() / "plugins" / plugin), action)
    catalog.save()


def _against_peer(state: str, folder: Path, limit: float, codes: tuple[int, int] = (0, 0)) -> Ratio:
    peer = Path(sysconfig.get_path("scripts")) / "check-jsonschema"
    files = [str(path.relative_to(folder)) for path in sorted((folder / "specs").iterdir())]
    theirs = [str(peer), "--schemafile", "schemas/synapse.schema.json", *files]
    ours = [sys.executable, "-m", "synapse_spec", "validate", "specs"]
    label = f"validate {COUNT} specs, {state} / check-jsonschema"
    return compare(label, Pair(ours, theirs, folder, codes), limit, _PAIRS)


def _synapse(folder: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "synapse_spec", *words], cwd=folder, check=True, capture_output=True)
