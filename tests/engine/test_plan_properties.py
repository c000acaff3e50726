"""What holds of every plan: random graphs of real runs, applied for real in this process."""

import json
import os
import random
import re
import subprocess
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synapse_spec.engine.store import StatusFile
from synapse_spec.plugins import yaml
from synapse_spec.plugins.outcome import Outcome
from tests.engine.project import COMMAND, Project, run, tree
from tests.engine.test_status import T1

MODULE = """\
from pathlib import Path

from synapse_spec.plugins.decorators import action

VALUE = 0


@action()
def go(params, ctx):
    with Path("../executed").open("a") as file:
        file.write(params["name"] + "\\n")
    return {"x": 1}
"""
ACTIONS = ("one", "two", "three")
REASONS = {"param": "spec changed", "code": "code changed", "failure": "failed before"}


@dataclass(frozen=True)
class Graph:
    """Runs by name.

    Attributes:
        takes: The runs whose results each refers to.
        follows: Those that each only comes after.
        files: The names in each file, in the order of the documents.
    """

    actions: dict[str, str]
    takes: dict[str, list[str]]
    follows: dict[str, list[str]]
    files: list[list[str]]
    params: dict[str, int] = field(default_factory=dict)

    def document(self, name: str) -> dict[str, Any]:
        params: dict[str, Any] = {"name": name, "value": self.params.get(name, 0)}
        params |= {need: f"${{{{ runs.{need}.result.x }}}}" for need in self.takes[name]}
        plugin = {"path": "../chain"}
        return run(name, self.actions[name], plugin=plugin, params=params, dependsOn=self.follows[name])

    def reached(self, roots: set[str], *, results_only: bool = False) -> set[str]:
        """What depends on these, at any distance, without those that do not themselves."""
        found: set[str] = set()
        for name in self.actions:  # what a run needs comes before it
            needs = {*self.takes[name], *([] if results_only else self.follows[name])}
            if needs & (roots | found):
                found.add(name)
        return found


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    names = [f"n{index}" for index in range(draw(st.integers(1, 6)))]
    takes, follows, files = {}, {}, [[], [], []]
    for index, name in enumerate(names):
        needs = draw(st.lists(st.sampled_from(names[:index]), unique=True, max_size=3)) if index else []
        cut = draw(st.integers(0, len(needs)))
        takes[name], follows[name] = needs[:cut], needs[cut:]
    for name in draw(st.permutations(names)):
        draw(st.sampled_from(files)).append(name)
    actions = {name: draw(st.sampled_from(ACTIONS)) for name in names}
    return Graph(actions, takes, follows, files)


class Bench:
    """A workspace with a plugin; each graph gets a folder of its own in it."""

    def __init__(self, root: Path) -> None:
        root.mkdir()
        self.project = Project(root)
        modules = {f"plugin/{name}.py": MODULE for name in ACTIONS}
        self.project.plugin("chain", modules, {name: f"plugin.{name}:go" for name in ACTIONS})
        self._numbers, self._values = count(), count(1)
        self.folder = root

    def lay(self, graph: Graph) -> None:
        """Write a graph's files to a new folder."""
        self.folder = self.project.root / f"g{next(self._numbers)}"
        self.folder.mkdir()
        self.write(graph)

    def write(self, graph: Graph) -> None:
        for index, names in enumerate(graph.files):
            if names:
                self.project.write(*map(graph.document, names), file=f"{self.folder.name}/f{index}.yaml")

    def apply(self) -> list[str]:
        """Apply; the names of what was executed, in order."""
        executed = self.project.root / "executed"
        executed.unlink(missing_ok=True)
        assert self.project.cli("apply", self.folder.name).exit_code == 0
        return executed.read_text().split() if executed.exists() else []

    def plan(self) -> dict[str, dict[str, Any]]:
        """The records of the plan, in its order."""
        return {record["name"]: record for record in self.project.json("plan", self.folder.name)["runs"]}

    def change(self, kind: str, name: str, graph: Graph) -> set[str]:
        """Make a change; the runs that it changes."""
        if kind == "code":
            action = graph.actions[name]
            path = self.project.root / "chain" / "plugin" / f"{action}.py"
            path.write_text(re.sub(r"VALUE = \d+", f"VALUE = {next(self._values)}", path.read_text()))
            return {other for other in graph.actions if graph.actions[other] == action}
        if kind == "param":
            graph.params[name] = next(self._values)
            self.write(graph)
        else:
            index = next(index for index, names in enumerate(graph.files) if name in names)
            file = StatusFile(self.folder / f"f{index}.status.yaml")
            file.update(name, lambda status: status.finished(Outcome("ActionFailed"), T1))
        return {name}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench") / "work")


@settings(max_examples=30, deadline=None)
@given(graph=graphs())
def test_what_is_needed_comes_first_and_a_complete_apply_leaves_nothing_to_do(graph: Graph, bench: Bench) -> None:
    bench.lay(graph)
    plan = bench.plan()
    order = list(plan)
    assert sorted(order) == sorted(graph.actions)
    for name, record in plan.items():
        needs = {*graph.takes[name], *graph.follows[name]}
        assert all(order.index(need) < order.index(name) for need in needs)
        assert record["step"] == ("wait" if needs else "run")
    executed = bench.apply()
    assert sorted(executed) == sorted(order)
    for name in order:
        assert all(executed.index(need) < executed.index(name) for need in (*graph.takes[name], *graph.follows[name]))
    before = tree(bench.folder)
    settled = bench.plan()
    assert list(settled) == order
    assert {record["message"] for record in settled.values()} == {"unchanged"}
    assert bench.apply() == []
    assert tree(bench.folder) == before


@settings(max_examples=40, deadline=None)
@given(graph=graphs(), kind=st.sampled_from(sorted(REASONS)), data=st.data())
def test_a_change_makes_its_run_and_what_depends_on_it_due(
    graph: Graph, kind: str, data: st.DataObject, bench: Bench
) -> None:
    bench.lay(graph)
    bench.apply()
    order = list(bench.plan())
    changed = bench.change(kind, data.draw(st.sampled_from(sorted(graph.actions))), graph)
    plan = bench.plan()
    assert list(plan) == order
    behind = graph.reached(changed)
    for name, record in plan.items():
        expected = ("wait", "waiting") if name in behind else ("skip", "unchanged")
        if name in changed - behind:
            expected = ("run", REASONS[kind])
        assert (record["step"], record["reason"]) == expected
    # What failed runs again under its old digest, with its old result, so nothing behind it has changed.
    follow = set() if kind == "failure" else graph.reached(changed, results_only=True)
    assert set(bench.apply()) == changed | follow
    assert {record["message"] for record in bench.plan().values()} == {"unchanged"}


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="$"), max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def shuffled(value: Any, chance: random.Random) -> Any:
    """The same value with its keys in another order."""
    if isinstance(value, dict):
        keys = chance.sample(list(value), len(value))
        return {key: shuffled(value[key], chance) for key in keys}
    return [shuffled(item, chance) for item in value] if isinstance(value, list) else value


def spread(documents: list[dict[str, Any]], root: Path, chance: random.Random) -> None:
    """Write documents to files of any number, names, folders and order."""
    places = [(Path("specs.yaml"), "lab"), (Path("a/b/deep.yaml"), "../../lab"), (Path("z/last.yml"), "../lab")]
    places = chance.sample(places, chance.randint(1, 3))
    texts: dict[Path, list[str]] = {}
    for document in chance.sample(documents, len(documents)):
        place, plugin = chance.choice(places)
        document = shuffled(document, chance)
        document["spec"]["plugin"] = {"path": plugin}
        texts.setdefault(root / place, []).append(yaml.dump(document))
    for path, parts in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("---\n".join(parts), encoding="utf-8")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("places")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    params=st.lists(st.dictionaries(TEXTS, VALUES, max_size=4), min_size=2, max_size=4),
    first=st.randoms(use_true_random=False),
    second=st.randoms(use_true_random=False),
)
def test_neither_order_of_keys_and_files_nor_place_is_part_of_a_digest(
    params: list[dict[str, Any]], first: random.Random, second: random.Random, places: Path
) -> None:
    documents = [run("r0", params=params[0], env={"B": "1", "A": {"fromEnv": "HOME"}})]
    for number, values in enumerate(params[1:], 1):
        needs = {"name": f"r{number}", "before": f"${{{{ runs.r{number - 1}.result }}}}"}
        documents.append(run(f"r{number}", params=values | needs, runtimeEnv={"pip": ["a"], "env_vars": {"C": "1"}}))
    axes = {"b": [{"x": 1, "y": 2}, "s"], "a": [2, 1], "c": [None], "include": [{"d": 1, "a": 3}, {"e": 2, "a": 1}]}
    documents.append(run("sweep", params={"of": "${{ matrix.a }}", "first": "${{ runs.r0.result }}"}, matrix=axes))
    documents.append(run("gathers", params={"all": "${{ runs.sweep.results }}"}))
    found = []
    for chance in (first, second):
        root = places / f"p{len(list(places.iterdir()))}" / ("x" * chance.randint(1, 9))
        root.mkdir(parents=True)
        project = Project(root)
        spread(documents, root, chance)
        done = project.cli("apply", ".")
        assert done.exit_code == 0, done.output
        found.append({record["name"]: record["digest"] for record in project.json("plan", ".")["runs"]})
    assert found[0] == found[1]
    assert len(set(found[0].values())) == len(found[0]) == len(documents) + 4


def test_neither_process_nor_machine_is_part_of_a_digest(project: Project, tmp_path: Path) -> None:
    values = {letter: {"set": [letter], "more": {letter: 1}} for letter in "zyxwvut"}
    project.write(run("a", "add", params={"b": 3}), run("b", params=values, env={"TOKEN": {"fromEnv": "TOKEN"}}))
    surroundings: list[dict[str, Any]] = [
        {"PYTHONHASHSEED": "0"},
        {"PYTHONHASHSEED": "1", "HOME": str(tmp_path), "TOKEN": "first", "USER": "somebody"},
        {"PYTHONHASHSEED": "2", "LC_ALL": "C", "TZ": "Asia/Seoul", "TOKEN": "second", "PYTHONUTF8": "0"},
    ]
    folders = [project.root, tmp_path, project.root / "lab"]
    found = set()
    for env, folder in zip(surroundings, folders, strict=True):
        spec = os.path.relpath(project.root / "spec.yaml", folder)
        command = [*COMMAND, "plan", spec, "-o", "json"]
        done = subprocess.run(command, cwd=folder, env=os.environ | env, check=True, capture_output=True)
        found.add(tuple((record["name"], record["digest"]) for record in json.loads(done.stdout)["runs"]))
    assert len(found) == 1
