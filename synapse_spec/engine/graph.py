"""The picture of a plan: which run needs which, and how each stands, as Mermaid, DOT or SVG. Pure; called by `plan`.

Where a matrix has many children, they are one node, and what would be too wide for a screen is wrapped.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from synapse_spec.engine.plan import Plan, Planned
from synapse_spec.engine.status import BLOCKED, CANCELLED, FAILED, PENDING, RUNNING, SUCCEEDED, SUSPENDED
from synapse_spec.engine.sweep import counted_by, phase_of
from synapse_spec.spec.diagnostics import width

_COLOURS = {
    PENDING: "#f2f2f2",
    RUNNING: "#cfe2ff",
    SUCCEEDED: "#d1e7dd",
    FAILED: "#f8d7da",
    CANCELLED: "#ffe5b4",
    BLOCKED: "#fff3cd",
    SUSPENDED: "#e2e3e5",
}
# Pixels of the SVG: a character of the label's font, a line, the space between boxes.
_CHAR, _LINE, _GAP = 7.5, 18.0, 24.0
_HEIGHT, _WIDEST = 2.8 * _LINE, 1600.0
_MOST_CHILDREN = 8  # of a matrix that are drawn each for itself
_MOST_ARROWS = 500  # of runs that hang together, that are led around boxes

type _Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Part:
    """Runs that hang together, laid out from (0, 0).

    Attributes:
        places: Centres of the boxes.
        ways: Those of the arrows.
    """

    places: dict[str, _Point]
    ways: list[list[_Point]]
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class _Node:
    """A run as it is drawn."""

    name: str
    phase: str
    about: str
    needs: tuple[str, ...]


def render(plan: Plan, form: str) -> str:
    """The picture as text, ending in a line end.

    Args:
        plan: Its entries are the nodes; a dependency outside of it is not drawn.
        form: "mermaid", "dot" or "svg".
    """
    return {"mermaid": _mermaid, "dot": _dot, "svg": _svg}[form](_nodes(plan))


def _nodes(plan: Plan) -> list[_Node]:
    """The runs as they are drawn, each behind those that it needs."""
    families: dict[str, list[Planned]] = {}
    for name, entry in plan.entries.items():
        families.setdefault(entry.run.parent or name, []).append(entry)
    drawn = {
        entry.run.name: f"{family} ({len(entries)} children)" if len(entries) > _MOST_CHILDREN else entry.run.name
        for family, entries in families.items()
        for entry in entries
    }
    shown: dict[str, list[Planned]] = {}
    for name, entry in plan.entries.items():
        shown.setdefault(drawn[name], []).append(entry)
    return [_node(name, entries, drawn) for name, entries in shown.items()]


def _node(name: str, entries: list[Planned], drawn: dict[str, str]) -> _Node:
    """One run, or children of a matrix as one."""
    phases = [entry.status.phase for entry in entries]
    about = counted_by(phases) if len(entries) > 1 else f"{phases[0]}: {entries[0].decision.reason}"
    needs = (drawn[need] for entry in entries for need in entry.run.depends_on if need in drawn)
    return _Node(name, phase_of(phases), about, tuple(dict.fromkeys(needs)))


def _mermaid(nodes: list[_Node]) -> str:
    numbers = {node.name: f"n{number}" for number, node in enumerate(nodes)}
    lines = ["flowchart TD"]
    for node in nodes:
        name = "".join(f"#{ord(char)};" if char in '"#<>&[]' else char for char in node.name)
        lines.append(f'  {numbers[node.name]}["{name}<br/>{node.about}"]:::{node.phase}')
    lines += [f"  {numbers[need]} --> {numbers[node.name]}" for node in nodes for need in node.needs]
    phases = dict.fromkeys(node.phase for node in nodes)
    lines += [f"  classDef {phase} fill:{_COLOURS[phase]},stroke:#666,color:#222" for phase in phases]
    return "\n".join(lines) + "\n"


def _dot(nodes: list[_Node]) -> str:
    lines = ["digraph runs {", '  node [shape=box, style="rounded,filled", fontname="sans-serif"];']
    for node in nodes:
        label = json.dumps(f"{node.name}\n{node.about}", ensure_ascii=False)
        lines.append(f'  {json.dumps(node.name)} [label={label}, fillcolor="{_COLOURS[node.phase]}"];')
    lines += [f"  {json.dumps(need)} -> {json.dumps(node.name)};" for node in nodes for need in node.needs]
    return "\n".join([*lines, "}"]) + "\n"


def _svg(nodes: list[_Node]) -> str:
    places, ways, width, height = _layout(nodes)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="sans-serif" font-size="13">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" fill="#666"/></marker></defs>',
    ]
    half = _HEIGHT / 2
    for way in ways:
        points = " ".join(f"{x:.0f},{y:.0f}" for x, y in way)
        parts.append(f'<polyline points="{points}" fill="none" stroke="#666" marker-end="url(#tip)"/>')
    for node in nodes:
        x, y = places[node.name]
        wide = _width(node)
        parts.append(
            f'<g><rect x="{x - wide / 2:.0f}" y="{y - half:.0f}" width="{wide:.0f}" height="{2 * half:.0f}" rx="6" '
            f'fill="{_COLOURS[node.phase]}" stroke="#666"/><text x="{x:.0f}" y="{y - 4:.0f}" text-anchor="middle" '
            f'font-weight="bold">{escape(node.name)}</text><text x="{x:.0f}" y="{y + 14:.0f}" text-anchor="middle" '
            f'fill="#444">{escape(node.about)}</text></g>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _width(node: _Node) -> float:
    return max(width(node.name), width(node.about)) * _CHAR + _GAP


def _total(row: list[_Node]) -> float:
    return sum(_width(node) + _GAP for node in row)


def _layout(nodes: list[_Node]) -> tuple[dict[str, _Point], list[list[_Point]], float, float]:
    """Centres of the boxes, the ways of the arrows, and the size of the whole: its parts in rows."""
    places: dict[str, _Point] = {}
    ways: list[list[_Point]] = []
    left = top = right = bottom = _GAP
    for part in _parts(nodes):
        if left > _GAP and left + part.width > _WIDEST:
            left, top = _GAP, bottom + _GAP
        places |= {name: (x + left, y + top) for name, (x, y) in part.places.items()}
        ways += [[(x + left, y + top) for x, y in way] for way in part.ways]
        left += part.width + _GAP
        right, bottom = max(right, left), max(bottom, top + part.height)
    return places, ways, right, bottom + _GAP


def _parts(nodes: list[_Node]) -> Iterator[_Part]:
    """What hangs together, laid out."""
    from grandalf.graphs import Edge, Graph, Vertex

    known = {node.name: node for node in nodes}
    vertices = {node.name: Vertex(node.name) for node in nodes}
    edges = [Edge(vertices[need], vertices[node.name]) for node in nodes for need in node.needs]
    for component in Graph(list(vertices.values()), edges).C:
        names = {vertex.data for vertex in component.sV}
        own = [node for node in nodes if node.name in names] if len(names) > 1 else [known[next(iter(names))]]
        ranks = _ranks(own)
        narrow = max(map(_total, ranks)) < _WIDEST and len(component.sE) < _MOST_ARROWS
        part = _in_layers(component, known) if narrow or len(names) == 1 else None
        yield part if part is not None and part.width < 2 * _WIDEST else _in_rows(ranks)


def _ranks(nodes: list[_Node]) -> list[list[_Node]]:
    """The nodes by the length of the way that leads to them; each stands behind those that it needs."""
    rank: dict[str, int] = {}
    found: list[list[_Node]] = []
    for node in nodes:
        rank[node.name] = max((rank[need] + 1 for need in node.needs), default=0)
        found += [[]] if rank[node.name] == len(found) else []
        found[rank[node.name]].append(node)
    return found


def _in_layers(component: Any, known: dict[str, _Node]) -> _Part:
    """Runs one layer below what they need, with arrows around the boxes."""
    from grandalf.layouts import SugiyamaLayout, VertexViewer
    from grandalf.routing import EdgeViewer, route_with_lines

    for vertex in component.sV:
        vertex.view = VertexViewer(w=_width(known[vertex.data]), h=_HEIGHT)
    for edge in component.sE:
        edge.view = EdgeViewer()
    layout = SugiyamaLayout(component)
    layout.xspace, layout.yspace, layout.route_edge = _GAP, 2 * _GAP, route_with_lines
    layout.init_all()
    layout.draw(3)
    layout.draw_edges()
    boxes = [(vertex.data, vertex.view) for vertex in component.sV]
    ways = [list(edge.view._pts) for edge in component.sE]
    bends = [x for way in ways for x, _ in way]
    left = min([view.xy[0] - view.w / 2 for _, view in boxes] + bends)
    top = min(view.xy[1] - view.h / 2 for _, view in boxes)
    right = max([view.xy[0] + view.w / 2 for _, view in boxes] + bends)
    bottom = max(view.xy[1] + view.h / 2 for _, view in boxes)
    places = {name: (view.xy[0] - left, view.xy[1] - top) for name, view in boxes}
    return _Part(places, [[(x - left, y - top) for x, y in way] for way in ways], right - left, bottom - top)


def _in_rows(ranks: list[list[_Node]]) -> _Part:
    """Ranks that are too wide in as many rows as they take, with straight arrows behind the boxes."""
    places: dict[str, _Point] = {}
    half = y = _HEIGHT / 2
    wide = max(_WIDEST, *(_total([node]) for rank in ranks for node in rank))
    for rank in ranks:
        # Below what they need, as far as that goes.
        rank.sort(key=lambda node: sum(places[need][0] for need in node.needs) / max(1, len(node.needs)))
        for row in _rows(rank):
            x = (wide - _total(row) + _GAP) / 2
            for node in row:
                places[node.name] = (x + _width(node) / 2, y)
                x += _width(node) + _GAP
            y += _HEIGHT + _GAP
        y += _GAP
    arrows = [(places[need], places[node.name]) for rank in ranks for node in rank for need in node.needs]
    ways = [[(x, y + half), (ox, oy - half)] for (x, y), (ox, oy) in arrows]
    return _Part(places, ways, wide, y - half - 2 * _GAP)


def _rows(rank: list[_Node]) -> Iterator[list[_Node]]:
    row: list[_Node] = []
    for node in rank:
        if row and _total([*row, node]) > _WIDEST:
            yield row
            row = []
        row.append(node)
    yield row
