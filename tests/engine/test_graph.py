"""The picture of a plan."""

import time
from dataclasses import replace
from itertools import chain
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse_spec.engine.graph import render
from synapse_spec.engine.plan import SKIP, Decision, Plan, Planned
from synapse_spec.engine.status import RunStatus
from tests.engine.test_plan import ended, unit

_SVG = "{http://www.w3.org/2000/svg}"


def plan_of(graph: dict[str, list[str]]) -> Plan:
    """A plan in which nothing is due; `graph` has the needs of each run."""
    plan = Plan()
    for name, needs in graph.items():
        status = ended() if needs else RunStatus(name)
        plan.entries[name] = Planned(unit(name, *needs), Decision(SKIP, "unchanged"), status, {}, "sha256:0")
    return plan


CHAIN = {"a": [], "b": ["a", "elsewhere"], "sweep[lr=0.1]": ["b"]}


def test_mermaid() -> None:
    assert render(plan_of(CHAIN), "mermaid") == (
        "flowchart TD\n"
        '  n0["a<br/>Pending: unchanged"]:::Pending\n'
        '  n1["b<br/>Succeeded: unchanged"]:::Succeeded\n'
        '  n2["sweep#91;lr=0.1#93;<br/>Succeeded: unchanged"]:::Succeeded\n'
        "  n0 --> n1\n"
        "  n1 --> n2\n"
        "  classDef Pending fill:#f2f2f2,stroke:#666,color:#222\n"
        "  classDef Succeeded fill:#d1e7dd,stroke:#666,color:#222\n"
    )


def test_dot() -> None:
    assert render(plan_of(CHAIN), "dot") == (
        "digraph runs {\n"
        '  node [shape=box, style="rounded,filled", fontname="sans-serif"];\n'
        '  "a" [label="a\\nPending: unchanged", fillcolor="#f2f2f2"];\n'
        '  "b" [label="b\\nSucceeded: unchanged", fillcolor="#d1e7dd"];\n'
        '  "sweep[lr=0.1]" [label="sweep[lr=0.1]\\nSucceeded: unchanged", fillcolor="#d1e7dd"];\n'
        '  "a" -> "b";\n'
        '  "b" -> "sweep[lr=0.1]";\n'
        "}\n"
    )


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    count = draw(st.integers(1, 12))
    return {f"r{at}": [f"r{need}" for need in range(at) if draw(st.booleans())] for at in range(count)}


@given(graphs())
@settings(deadline=None, max_examples=40)
def test_svg_has_every_box_and_arrow_inside_and_no_box_on_another(graph: dict[str, list[str]]) -> None:
    root = ElementTree.fromstring(render(plan_of(graph), "svg"))
    assert [text.text for text in root.iter(f"{_SVG}text")][::2] == list(graph)
    holds_together(root, graph)


def holds_together(root: Any, graph: dict[str, list[str]]) -> None:
    """Every box and arrow is there and inside the picture, and no box lies on another."""
    boxes = [tuple(float(box.attrib[key]) for key in ("x", "y", "width", "height")) for box in root.iter(f"{_SVG}rect")]
    lines = [[tuple(map(float, point.split(","))) for point in line.attrib["points"].split()] for line in _lines(root)]
    assert len(boxes) == len(graph)
    assert len(lines) == sum(map(len, graph.values()))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    points = [(x, y) for x, y, _, _ in boxes] + [(x + w, y + h) for x, y, w, h in boxes]
    points += chain.from_iterable(lines)
    assert all(0 <= x <= width and 0 <= y <= height for x, y in points)
    for at, (x, y, w, h) in enumerate(boxes):
        assert all(x + w <= ox or ox + ow <= x or y + h <= oy or oy + oh <= y for ox, oy, ow, oh in boxes[:at])


def sweep(count: int) -> Plan:
    """A run, the children of a matrix that need it, and one that needs them all."""
    names = [f"sweep[lr={number}]" for number in range(count)]
    plan = plan_of({"a": [], **{name: ["a"] for name in names}, "z": ["a", *names]})
    for at, name in enumerate(names):
        entry = plan.entries[name]
        status = RunStatus(name) if at % 4 == 0 else entry.status
        plan.entries[name] = replace(entry, run=replace(entry.run, parent="sweep"), status=status)
    return plan


@pytest.mark.parametrize("form", ["mermaid", "dot", "svg"])
def test_many_children_are_one_node(form: str) -> None:
    picture = render(sweep(12), form)
    assert "sweep (12 children)" in picture
    assert "3 Pending, 9 Succeeded" in picture
    assert "lr=" not in picture
    assert picture.count({"mermaid": " --> ", "dot": " -> ", "svg": "<polyline"}[form]) == 3
    assert "lr=7" in render(sweep(8), form)


def test_a_node_of_many_children_has_the_phase_of_the_whole() -> None:
    assert '["sweep (12 children)<br/>3 Pending, 9 Succeeded"]:::Pending' in render(sweep(12), "mermaid")


WIDE: dict[str, dict[str, list[str]]] = {
    "none needs another": {f"a-run-of-its-own-{number}": [] for number in range(300)},
    "all need one": {"one": [], **{f"a-run-with-a-name-{number}": ["one"] for number in range(300)}},
    "one needs all": {**{f"r{number}": [] for number in range(120)}, "one": [f"r{number}" for number in range(120)]},
    "pairs": {f"{kind}{at}": ["a" + str(at)] if kind == "b" else [] for at in range(100) for kind in "ab"},
    "each needs all before": {f"r{at}": [f"r{need}" for need in range(at)] for at in range(60)},
    "long names": {"a" * 60: [], **{f"{'日本' * 12}{at}[x={'y' * 80}]": ["a" * 60] for at in range(6)}},
}


@pytest.mark.parametrize("name", WIDE)
def test_no_picture_is_too_wide_for_a_screen(name: str) -> None:
    started = time.perf_counter()
    root = ElementTree.fromstring(render(plan_of(WIDE[name]), "svg"))
    assert time.perf_counter() - started < 20
    assert float(root.attrib["width"]) < 3300
    holds_together(root, WIDE[name])


def _lines(root: Any) -> list[Any]:
    return list(root.iter(f"{_SVG}polyline"))


@pytest.mark.parametrize("form", ["mermaid", "dot", "svg"])
def test_no_run_is_a_picture_too(form: str) -> None:
    assert render(Plan(), form).endswith("\n")
