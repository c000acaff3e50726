"""The picture of a plan: which run needs which, and how each stands, as Mermaid, DOT or SVG. Pure; called by `plan`."""

import json
from dataclasses import dataclass
from html import escape

from synapse_spec.engine.plan import Plan
from synapse_spec.engine.status import BLOCKED, CANCELLED, FAILED, PENDING, RUNNING, SUCCEEDED, SUSPENDED

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
_CHAR, _LINE, _GAP = 7.5, 18, 24

type _Point = tuple[float, float]


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
    nodes = []
    for name, entry in plan.entries.items():
        needs = tuple(need for need in entry.run.depends_on if need in plan.entries)
        nodes.append(_Node(name, entry.status.phase, f"{entry.status.phase}: {entry.decision.reason}", needs))
    return {"mermaid": _mermaid, "dot": _dot, "svg": _svg}[form](nodes)


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
    half = _LINE * 1.4
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
    return max(len(node.name), len(node.about)) * _CHAR + _GAP


def _layout(nodes: list[_Node]) -> tuple[dict[str, _Point], list[list[_Point]], float, float]:
    """Centres of the boxes, the ways of the arrows, and the size of the whole: what hangs together in layers."""
    from grandalf.graphs import Edge, Graph, Vertex
    from grandalf.layouts import SugiyamaLayout, VertexViewer
    from grandalf.routing import EdgeViewer, route_with_lines

    vertices = {node.name: Vertex(node.name) for node in nodes}
    for node in nodes:
        vertices[node.name].view = VertexViewer(w=_width(node), h=2.8 * _LINE)
    edges = [Edge(vertices[need], vertices[node.name]) for node in nodes for need in node.needs]
    for edge in edges:
        edge.view = EdgeViewer()
    places: dict[str, _Point] = {}
    ways: list[list[_Point]] = []
    right = bottom = 0.0
    for part in Graph(list(vertices.values()), edges).C:
        layout = SugiyamaLayout(part)
        layout.xspace, layout.yspace, layout.route_edge = _GAP, 2 * _GAP, route_with_lines
        layout.init_all()
        layout.draw(3)
        layout.draw_edges()
        boxes = [(vertex.data, vertex.view) for vertex in part.sV]
        lines = [list(edge.view._pts) for edge in part.sE]
        bends = [x for line in lines for x, _ in line]
        dx = right + _GAP - min([view.xy[0] - view.w / 2 for _, view in boxes] + bends)
        dy = _GAP - min(view.xy[1] - view.h / 2 for _, view in boxes)
        places |= {name: (view.xy[0] + dx, view.xy[1] + dy) for name, view in boxes}
        ways += [[(x + dx, y + dy) for x, y in line] for line in lines]
        right = max([view.xy[0] + view.w / 2 for _, view in boxes] + bends) + dx
        bottom = max(bottom, *(view.xy[1] + view.h / 2 + dy for _, view in boxes))
    return places, ways, right + _GAP, bottom + _GAP
