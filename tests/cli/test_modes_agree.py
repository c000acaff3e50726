"""The same actions with the same params in the three modes: equal statuses and logs, but for handle, mode and times.

And two plugins whose packages have one name, on one pool of actors.
"""

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synapse_spec.plugins import yaml
from synapse_spec.plugins.executors.ray.cluster import reach
from tests.engine.project import Project, run

pytestmark = [pytest.mark.ray, pytest.mark.timeout(400)]

MODES = ("local", "task", "job")
SECRET = "not-for-every-eye-7d1f"

ACTIONS = r'''
import asyncio
import datetime
import enum
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from plugin.deep import below
from synapse_spec.plugins.action import BaseAction
from synapse_spec.plugins.decorators import action

HERE = Path(__file__).parent
AT_IMPORT = (HERE / "table.csv").read_text()


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    x: float
    y: float = 0.5


class Shape(BaseModel):
    name: str
    points: list[Point]
    colour: Colour = Colour.RED
    tags: dict[str, set[int]] = {}


class Params(BaseModel):
    shape: Shape
    when: datetime.datetime
    price: Decimal = Decimal("1.10")
    key: UUID | None = None
    pause: datetime.timedelta = datetime.timedelta(seconds=90)
    where: Path = Path("a/b")
    size: int = Field(3, ge=1)


class Summary(BaseModel):
    count: int
    first: Point
    colour: Colour
    when: datetime.datetime
    rest: dict[str, list[float | None]] = {}


class Nested(BaseAction[Params]):
    """A class action with nested params and a result model."""

    result_model = Summary

    def execute(self):
        shape = self.params.shape
        rest = {"xs": [point.x for point in shape.points], "none": [None]}
        first, when = shape.points[0], self.params.when
        return Summary(count=len(shape.points), first=first, colour=shape.colour, when=when, rest=rest)


@action(params=Params)
def given(params, ctx):
    return params


class Files(BaseAction):
    """Reads what lies beside the code."""

    def execute(self):
        beside = json.loads(Path("data/numbers.json").read_text())
        cwd = os.path.basename(os.getcwd())
        return {"cwd": cwd, "numbers": beside, "table": AT_IMPORT, "own": type(self).__module__}


@action()
def written(params, ctx):
    """Leaves a file in the plugin's folder, which is its working directory."""
    Path("written.tmp").write_text("kept")
    try:
        return {"text": (HERE.parent / "written.tmp").read_text(), "listed": sorted(os.listdir("data"))}
    finally:
        os.remove("written.tmp")


@action()
def env(params, ctx):
    names = ["GREETING", "NUMBER", "LAYERED", "OUTER", "PLACE", "TOKEN"]
    child = "import os, json; print(json.dumps({n: os.environ.get(n) for n in %r}))" % (names,)
    seen = json.loads(subprocess.run([sys.executable, "-c", child], capture_output=True, check=True).stdout)
    os.environ["LEFT"] = "behind"
    return {
        "os": {name: os.environ.get(name) for name in names},
        "ctx": {name: ctx.env.get(name) for name in names},
        "child": seen,
        "token": len(os.environ["TOKEN"]),
        "file": os.environ["FROM_FILE"][::-1],
    }


@action()
def left(params, ctx):
    """What an earlier run set is gone."""
    return os.environ.get("LEFT")


@action()
def talk(params, ctx):
    print("before")
    ctx.set_progress(1, 3, "steps")
    print("after")
    print("on stderr", file=sys.stderr)
    logging.getLogger("lib").info("told")
    logging.getLogger("lib").debug("not told")
    logging.getLogger("lib").error("bad", exc_info=False)
    subprocess.run(["sh", "-c", "echo from a child; echo its stderr >&2"])
    os.write(1, "raw \u00fc\n".encode())
    sys.stdout.write("10%\r50%\r100%\n")
    print("two\nlines\n")
    print("unit separators \x1c \x85 \u2028 stay")
    print("no more than a fragment \udc80")
    warnings.warn("be warned")
    ctx.log_message("said {what}", what="so", level="warning")
    ctx.log("entry", {"n": 3, "path": Path("p"), "when": datetime.date(2026, 1, 2)})
    ctx.set_progress(3, 3, "steps")
    print("::synapse " + "0" * 32 + ' outcome 2 x {"reason": "Completed"}')
    print("x" * 3000)
    print("the end without a newline", end="")


@action()
def fragment(params, ctx):
    print("a line", end="")
    ctx.set_progress(1, 2)
    print(" in two parts")


@action()
def measured(params, ctx):
    for number in range(1, 301):
        ctx.set_progress(number, 300, "epochs")
        ctx.set_metrics({"loss": 1 / number}, "train")
    ctx.set_metrics({"loss": float("nan"), "best": float("inf"), "big": 2**70}, "train")
    ctx.log_metric("val", "accuracy", 0.75, recall=0.5)
    if params.get("fail"):
        raise RuntimeError("after some metrics")


class Odd(Exception):
    def __init__(self, code, reason):
        super().__init__(f"{reason} ({code})")
        self.lock = threading.Lock()


@action()
def broken(params, ctx):
    kind = params["kind"]
    if kind == "odd":
        raise Odd(7, "neither pickled nor rebuilt")
    if kind == "chained":
        try:
            below(1)
        except ValueError as error:
            raise RuntimeError("because of it") from error
    if kind == "group":
        raise ExceptionGroup("two", [ValueError("one"), KeyError("other")])
    if kind == "exit":
        sys.exit(4)
    if kind == "interrupt":
        raise KeyboardInterrupt
    raise ValueError("lone \udc80, nul \x00, escape \x1b[31m, and lines\nmore\n")


class Checked(BaseModel):
    low: int
    high: int

    @model_validator(mode="after")
    def ordered(self):
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


@action(params=Checked)
def checked(params, ctx):
    return params.high - params.low


@action(result=Point)
def misfit(params, ctx):
    return {"x": "far"}


@action()
def gives(params, ctx):
    kind = params["kind"]
    if kind == "none":
        return None
    if kind == "surrogate":
        return "\udc80"
    if kind == "big":
        return {"text": "0123456789 \u00e4\n" * 40_000}
    return [
        [1, 2.5, "x", None, True, [], {}, "", 0.1 + 0.2, 10**4000, -0.0, 1e300],
        "\u00e4 \U0001f680 \x00 \x85 \u2028 \r\n end ",
        {"set": {3, 1}, "tuple": (1, 2), "path": Path("a"), "date": datetime.date(2026, 5, 6), 7: Colour.BLUE},
        Shape(name="s", points=[Point(x=1)], tags={"a": {2, 1}}),
        {f"key-{number}": number for number in range(2000)},
        nested(190),
        "yes", "1", "null", "- a", "#", " ", "a: b", "2026-01-01",
    ]


def nested(levels):
    return [nested(levels - 1)] if levels else "inside"


@action()
def signals(params, ctx):
    """Libraries set handlers, which Python allows on the main thread only."""
    heard = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: heard.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    time.sleep(0.2)
    signal.signal(signal.SIGALRM, before)
    return len(heard)


@action()
def threads(params, ctx):
    async def work(number):
        await asyncio.sleep(0.01)
        return number * 2

    async def both():
        return await asyncio.gather(work(1), work(2))

    def told(number):
        ctx.log("told", {"n": 1})
        return number + 1

    with ThreadPoolExecutor(2) as pool:
        return {"async": asyncio.run(both()), "pool": list(pool.map(told, range(3)))}
'''

DEEP = '''
def below(levels):
    """Fails in the depth."""
    if levels:
        return below(levels - 1)
    raise ValueError("from the depth")
'''

CONFIG = """\
name: lab2
code: lab2
version: 1.2.3
env: {GREETING: from config, NUMBER: 3, LAYERED: config}
actions:
"""

_SHAPE = {"name": "s", "points": [{"x": 1}, {"x": 2.5, "y": -1}], "colour": "blue", "tags": {"a": [2, 1]}}
_PARAMS = {"shape": _SHAPE, "when": "2026-03-04T05:06:07+02:00", "key": "12345678-1234-5678-1234-567812345678"}
_ENV = {
    "LAYERED": "spec",
    "PLACE": "${{ run.name }}",
    "TOKEN": {"fromEnv": "TOKEN_OF_THE_TEST"},
    "FROM_FILE": {"fromFile": "secret.txt"},
}
_BROKEN = ("odd", "chained", "group", "exit", "interrupt", "text")

# By name: action, fields of the spec, and the reason that its status has.
CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "nested": ("nested", {"params": _PARAMS}, "Completed"),
    "given": ("given", {"params": _PARAMS}, "Completed"),
    "files": ("files", {}, "Completed"),
    "written": ("written", {}, "Completed"),
    "env": ("env", {"env": _ENV}, "Completed"),
    "left": ("left", {"dependsOn": ["env"]}, "Completed"),
    "talk": ("talk", {}, "Completed"),
    "fragment": ("fragment", {}, "Completed"),
    "signals": ("signals", {}, "Completed"),
    "measured": ("measured", {}, "Completed"),
    "measured-then-failed": ("measured", {"params": {"fail": True}}, "ActionFailed"),
    "checked": ("checked", {"params": {"low": 3, "high": "${{ runs.nested.result.count }}"}}, "InvalidParams"),
    "misfit": ("misfit", {}, "InvalidResult"),
    "threads": ("threads", {}, "Completed"),
    "refers": ("checked", {"params": {"low": 1, "high": "${{ runs.nested.result.count }}"}}, "Completed"),
    **{f"broken-{kind}": ("broken", {"params": {"kind": kind}}, "ActionFailed") for kind in _BROKEN},
    **{f"gives-{kind}": ("gives", {"params": {"kind": kind}}, "Completed") for kind in ("none", "many", "big")},
    "gives-surrogate": ("gives", {"params": {"kind": "surrogate"}}, "InvalidResult"),
}
_CLASSES = {"nested": "Nested", "files": "Files"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Project]:
    """A workspace whose embedded cluster is held by the tests, so that they start it once."""
    root = Path(tempfile.mkdtemp(prefix="agree-"))
    project = Project(root)
    (root / "secret.txt").write_text(SECRET + "\n")
    files = {
        "plugin/__init__.py": "",
        "plugin/act.py": ACTIONS,
        "plugin/deep.py": DEEP,
        "plugin/table.csv": "a,b\n1,2\n",
        "data/numbers.json": "[1, 2, 3]",
    }
    names = sorted({action for action, _, _ in CASES.values()})
    folder = project.plugin("lab2", files, {})
    entries = "".join(f"  {name}: plugin.act:{_CLASSES.get(name, name)}\n" for name in names)
    (folder / "config.yaml").write_text(CONFIG + entries)
    with reach(None, root / ".synapse" / "ray", dashboard=True):
        yield project
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def statuses(lab: Project) -> dict[str, dict[str, Any]]:
    """The status of each case in each mode, with its log and its whole result."""
    return {mode: _applied(lab, mode) for mode in MODES}


def _applied(lab: Project, mode: str) -> dict[str, Any]:
    runs = [
        run(name, action, plugin={"path": "lab2"}, mode=mode, **fields) for name, (action, fields, _) in CASES.items()
    ]
    lab.write(*runs, file=f"{mode}.yaml")
    environ = os.environ | {"TOKEN_OF_THE_TEST": SECRET, "OUTER": "of the shell"}
    code, shown = _apply(lab, f"{mode}.yaml", env=environ)
    assert code == 1, shown
    found = {}
    for document in yaml.parse((lab.root / f"{mode}.status.yaml").read_bytes()):
        status = document["status"]
        name = document["metadata"]["name"]
        found[name] = _comparable(status) | {"log": _log(lab.root / status["logs"])}
    return found


def _apply(lab: Project, file: str, **options: Any) -> tuple[int, str]:
    process = lab.start("apply", file, **options)
    _, shown = process.communicate(timeout=200)
    return process.returncode, shown


def _log(path: Path) -> list[str]:
    """The lines of a log; that a job had to wait for its start is of no interest here."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [line for line in lines if not line.startswith("warning: still waiting: ")]


def _comparable(status: dict[str, Any]) -> dict[str, Any]:
    """The status without what may differ."""
    assert status["mode"] in MODES
    attempt = {"number": status["attempt"]["number"]}
    conditions = [{**item, "lastTransitionTime": ""} for item in status["conditions"]]
    provenance = {name: value for name, value in status["provenance"].items() if name != "ray"}
    return status | {"mode": "", "attempt": attempt, "conditions": conditions, "provenance": provenance}


@pytest.mark.parametrize("name", CASES)
def test_equal_in_each_mode(statuses: dict[str, dict[str, Any]], name: str) -> None:
    local, task, job = (statuses[mode][name] for mode in MODES)
    assert local["reason"] == CASES[name][2], local
    assert job == local
    if name == "signals":  # Ray keeps the main thread of its workers to itself
        assert "signal only works in main thread" in task["error"]["message"]
    else:
        assert task == local


TWIN = """
import importlib
from pathlib import Path

from plugin import names
from pydantic import BaseModel
from synapse_spec.plugins.action import BaseAction


class Params(BaseModel):
    number: int = {default}


class Who(BaseAction[Params]):
    calls = 0

    def execute(self):
        from plugin.sub.late import late

        type(self).calls += 1
        beside = Path("beside.txt").read_text()
        again = importlib.import_module("plugin.names").NAME
        return [names.NAME, late(), beside, again, self.params.number]
"""


def test_two_plugins_with_one_package_name_thirty_runs(lab: Project) -> None:
    for default, name in enumerate(("left", "right")):
        files = {
            "plugin/__init__.py": "",
            "plugin/sub/__init__.py": "",
            "plugin/act.py": TWIN.format(default=default),
            "plugin/names.py": f"NAME = {name!r}\n",
            "plugin/sub/late.py": f"from plugin.names import NAME\n\n\ndef late():\n    return NAME + {name!r}\n",
            "beside.txt": name,
        }
        lab.plugin(name, files, {"who": "plugin.act:Who"})
    names = [f"{name}-{number}" for name in ("left", "right") for number in range(15)]
    random.Random(7).shuffle(names)
    runs = []
    for name in names:
        plugin, _, number = name.partition("-")
        params = {"number": int(number)} if int(number) % 3 else {}
        runs.append(run(name, "who", plugin={"path": plugin}, mode="task", params=params))
    lab.write(*runs, file="twins.yaml")

    code, shown = _apply(lab, "twins.yaml")

    assert code == 0, shown
    for name, status in lab.statuses("twins").items():
        plugin, _, number = name.partition("-")
        given = int(number) if int(number) % 3 else ("left", "right").index(plugin)
        assert status.result == [plugin, plugin * 2, plugin, plugin, given], name


NEEDS = """
import importlib.metadata

import click
from synapse_spec.plugins.decorators import action


@action()
def needs(params, ctx):
    return [click.__name__, importlib.metadata.version("click")]
"""


def test_requirements_that_are_installed(lab: Project) -> None:
    files = {"plugin/act.py": NEEDS, "requirements.txt": "# by name\nclick>=8  # for its version\npydantic\n"}
    lab.plugin("needs", files, {"needs": "plugin.act:needs"})
    lab.write(*(run(mode, "needs", plugin={"path": "needs"}, mode=mode) for mode in MODES), file="needs.yaml")

    code, shown = _apply(lab, "needs.yaml")

    assert code == 0, shown
    local, task, job = (status.result for status in lab.statuses("needs").values())
    assert local == task == job
