"""Where the values of a YAML text stand in it, keys and list items included. Owns ruamel.yaml; called by `edit`."""

import re
from dataclasses import dataclass, field
from typing import Any

_LINE_END = re.compile(r"\r\n|\r|\n|\Z")
_ANCHOR = re.compile(r"&\S+(?:\s+(?:#[^\r\n]*)?)*")
# What ruamel.yaml reads in another way than we do; places stay, as each is replaced by one character.
_HARMLESS = str.maketrans({"\t": " ", "\x85": "x", "\u2028": "x", "\u2029": "x", "\ufeff": "x"})


@dataclass(slots=True)
class Node:
    """Where a value stands in the text: from `start` to `end`, with an anchor before it from `head`."""

    kind: str
    head: int
    start: int
    end: int
    flow: bool = False
    style: str = ""
    keys: "list[Node]" = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    items: "list[Node]" = field(default_factory=list)

    def find(self, part: str | int) -> int | None:
        """The place among `items` of what is called so."""
        if isinstance(part, int):
            return part if part < len(self.items) else None
        return self.names.index(part) if part in self.names else None


def documents(text: str, last: int) -> Node:
    """The documents of the text up to the `last` one, as the items of one node.

    Raises:
        ValueError: ruamel.yaml does not take the text.
    """
    from ruamel.yaml import YAML, events
    from ruamel.yaml.error import YAMLError

    stack = [Node("stream", 0, 0, 0)]
    try:
        for event in YAML(typ="safe", pure=True).parse(text.translate(_HARMLESS)):
            if isinstance(event, events.CollectionEndEvent):
                node = stack.pop()
                node.end = event.end_mark.index if node.flow else node.items[-1].end
            elif isinstance(event, events.NodeEvent):
                node = _node(text, event)
                _put(text, stack[-1], node, event)
                if isinstance(event, events.CollectionStartEvent):
                    stack.append(node)
            elif isinstance(event, events.DocumentEndEvent) and len(stack[0].items) > last:
                break
    except YAMLError as error:
        raise ValueError(str(error)) from None
    return stack[0]


def _node(text: str, event: Any) -> Node:
    head, end = event.start_mark.index, event.end_mark.index
    kind = type(event).__name__.removesuffix("Event").removesuffix("Start").lower()
    anchor = _ANCHOR.match(text, head) if event.anchor and kind != "alias" else None
    node = Node(kind, head, anchor.end() if anchor else head, end, bool(getattr(event, "flow_style", False)))
    if kind == "scalar":
        node.style = event.style or ""
        header = text[node.start : line_end(text, node.start).start()]
        if node.style in ("|", ">") and "+" not in header:  # lines after its text are not part of it
            node.end = node.start + len(text[node.start : end].rstrip())
        node.start = min(node.start, node.end)
    return node


def _put(text: str, parent: Node, node: Node, event: Any) -> None:
    """Make a node the next key or item of its parent; one that is not written out stands after its colon or dash."""
    is_key = parent.kind == "mapping" and len(parent.keys) == len(parent.items)
    if node.kind == "scalar" and node.head == node.end and not is_key and parent.kind != "stream":
        if parent.keys:
            node.end = colon(text, parent.keys[-1].end)
        else:
            node.end = text.index("-", parent.items[-1].end if parent.items else parent.start) + 1
        node.head = node.start = node.end
    if is_key:
        parent.keys.append(node)
        parent.names.append(event.value if node.kind == "scalar" else "")
    else:
        parent.items.append(node)


def start_of_line(text: str, at: int) -> int:
    return max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1


def end_of_line(text: str, at: int) -> tuple[int, int]:
    """Where the line ends, without and with its line end; `at` itself where a line has just ended."""
    return (at, at) if at > 0 and text[at - 1] in "\r\n" else line_end(text, at).span()


def line_end(text: str, at: int) -> re.Match[str]:
    match = _LINE_END.search(text, at)
    assert match is not None  # the text ends somewhere
    return match


def column(text: str, at: int) -> int:
    return at - start_of_line(text, at)


def colon(text: str, at: int) -> int:
    """One past the colon of a key that ends there."""
    return text.index(":", at) + 1
