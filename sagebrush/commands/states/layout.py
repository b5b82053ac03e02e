"""A state machine's graph laid out in layers: boxes, boxes within boxes, and the ways between them. Pure.

The usual four steps (Sugiyama, Tagawa and Toda, 1981): turn round the edges that close a cycle, give
each state a layer, order each layer so that few edges cross, then move the boxes of a layer as near to
their neighbours as their widths allow. An edge over several layers, or with a label, takes a place of
its own in each layer between. Lengths are pixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sagebrush.commands.states import arrange
from sagebrush.commands.states.arrange import Node
from sagebrush.commands.states.conditions import rule_label
from sagebrush.commands.states.tree import branches

Doc = Mapping[str, Any]
Point = tuple[float, float]
HEIGHT, LEAST, LETTER = 44.0, 116.0, 8.0
"""Of a state's box; width of a letter of its name."""
LABEL_LETTER, LABEL_HEIGHT = 6.2, 16.0
MARK = (56.0, 26.0)
"""Width and height of the marks of the start and the end."""
PAD, HEAD = 14.0, 40.0
"""Around what is in a container, and the height of its title."""
LAYERS, BESIDE = 26.0, 26.0
"""Between layers, and between boxes of one layer."""
NAME = 34
"""Letters of a name that are shown."""
LABEL = 34
START, END = "\x00start", "\x00end"
"""Keys of the marks; no state is called so."""


@dataclass(frozen=True)
class Edge:
    """A way from one state to another. `kind`: next, choice, default or catch."""

    source: str
    target: str
    kind: str
    label: str = ""


@dataclass(frozen=True)
class Way:
    """An edge where it lies: points at which it is upright, and its label's middle."""

    edge: Edge
    points: tuple[Point, ...]
    label_at: Point | None = None


@dataclass(frozen=True)
class Box:
    """A state, or a mark, where it lies; a container has what is within it."""

    key: str
    type: str
    x: float
    y: float
    width: float
    height: float
    parts: tuple[Plan, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A machine laid out, its left upper corner at (x, y)."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    ways: tuple[Way, ...]
    x: float = 0.0
    y: float = 0.0

    def moved(self, x: float, y: float) -> Plan:
        """The same plan elsewhere: all of it moves by (x, y)."""
        return Plan(
            self.width,
            self.height,
            tuple(_moved(box, x, y) for box in self.boxes),
            tuple(_moved_way(way, x, y) for way in self.ways),
            self.x + x,
            self.y + y,
        )


def plan(machine: Doc, said: Mapping[str, str], outermost: bool = True) -> Plan:
    """The machine laid out; the outermost one has marks where it starts and ends. `said`: what is
    written below a state's name."""
    states = machine.get("States", {})
    found = list(edges(machine, outermost))
    boxes = {name: _box(name, state, said) for name, state in states.items()}
    if outermost:
        boxes = {START: Box(START, "", 0, 0, *MARK), **boxes}
        if any(edge.target == END for edge in found):
            boxes[END] = Box(END, "", 0, 0, *MARK)
    found = [edge for edge in found if edge.target in boxes]
    loops = [edge for edge in found if edge.source == edge.target]
    drawn = _Drawing(boxes, [edge for edge in found if edge.source != edge.target])
    return drawn.plan(loops)


def edges(machine: Doc, outermost: bool) -> Iterator[Edge]:
    """Every way of a machine, those of one kind between the same two states as one."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for source, target, kind, label in _transitions(machine, outermost):
        found.setdefault((source, target, kind), []).append(label)
    for (source, target, kind), labels in found.items():
        told = list(dict.fromkeys(filter(None, labels)))
        yield Edge(source, target, kind, cut(" or ".join(told), LABEL))


def _transitions(machine: Doc, outermost: bool) -> Iterator[tuple[str, str, str, str]]:
    if outermost:
        yield START, machine.get("StartAt", ""), "next", ""
    for name, state in machine.get("States", {}).items():
        for rule in state.get("Choices", ()):
            yield name, rule.get("Next", ""), "choice", rule_label(rule)
        if "Default" in state:
            yield name, state["Default"], "default", "else"
        if "Next" in state:
            yield name, state["Next"], "next", ""
        for catcher in state.get("Catch", ()):
            errors = [error.removeprefix("States.") for error in catcher.get("ErrorEquals", ())]
            label = "any error" if errors == ["ALL"] else " or ".join(errors)
            yield name, catcher.get("Next", ""), "catch", label
        if outermost and (state.get("End") or state.get("Type") == "Succeed"):
            yield name, END, "next", ""


def cut(text: str, most: int) -> str:
    """The text, shortened at its end."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _box(name: str, state: Doc, said: Mapping[str, str]) -> Box:
    """A state's box, at the origin, with what is within it."""
    below = len(said.get(name, "")) * LABEL_LETTER + 20
    width = max(LEAST, len(cut(name, NAME)) * LETTER + 40, below)
    inner = [plan(machine, said, outermost=False) for machine in branches(state)]
    if not inner:
        return Box(name, state.get("Type", ""), 0, 0, width, HEIGHT)
    placed, at = [], PAD
    for part in inner:
        placed.append(part.moved(at, HEAD))
        at += part.width + PAD
    tall = max(part.height for part in inner)
    if at < width:  # a long title: what is within stands in the middle
        placed = [part.moved((width - at) / 2, 0) for part in placed]
    size = (max(width, at), HEAD + tall + PAD)
    return Box(name, state.get("Type", ""), 0, 0, *size, tuple(placed))


def _moved(box: Box, x: float, y: float) -> Box:
    parts = tuple(part.moved(x, y) for part in box.parts)
    return replace(box, x=box.x + x, y=box.y + y, parts=parts)


def _moved_way(way: Way, x: float, y: float) -> Way:
    at = way.label_at
    return Way(
        way.edge,
        tuple((px + x, py + y) for px, py in way.points),
        None if at is None else (at[0] + x, at[1] + y),
    )


@dataclass
class _Drawing:
    """One machine's boxes and edges on their way to a plan."""

    boxes: dict[str, Box]
    edges: list[Edge]
    chains: list[tuple[Edge, list[Node], bool]] = field(default_factory=list)
    """Each edge with its nodes from the upper to the lower end, and whether that is turned round."""

    def plan(self, loops: Sequence[Edge]) -> Plan:
        nodes = {key: Node(key, box.width, box.height) for key, box in self.boxes.items()}
        back = arrange.turned(list(self.boxes), [(e.source, e.target) for e in self.edges])
        ends = [
            (e.target, e.source, 2 if e.label else 1)
            if (e.source, e.target) in back
            else (e.source, e.target, 2 if e.label else 1)
            for e in self.edges
        ]
        depth = arrange.depths(list(self.boxes), ends)
        layers: list[list[Node]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
        for key, at in depth.items():
            nodes[key].layer = at
            layers[at].append(nodes[key])
        for edge, (upper, lower, _) in zip(self.edges, ends, strict=True):
            turned = (edge.source, edge.target) in back
            self.chains.append(
                (edge, self._chain(edge, nodes[upper], nodes[lower], layers), turned)
            )
        links = [pair for _, chain, _ in self.chains for pair in itertools.pairwise(chain)]
        layers = arrange.ordered([layer for layer in layers if layer], links)
        arrange.placed(layers, links, BESIDE)
        return self._placed(layers, loops)

    def _chain(self, edge: Edge, upper: Node, lower: Node, layers: list[list[Node]]) -> list[Node]:
        """The nodes of an edge: its ends, and one in each layer between."""
        between = range(upper.layer + 1, lower.layer)
        wide = len(edge.label) * LABEL_LETTER + 12 if edge.label else 0.0
        turned = upper.key != edge.source
        labelled = (between[-1] if turned else between[0]) if between else None
        made = [upper]
        for layer in between:
            mine = layer == labelled and bool(edge.label)
            node = Node("", wide if mine else 4.0, LABEL_HEIGHT if mine else 0.0, layer)
            node.labelled = mine
            layers[layer].append(node)
            made.append(node)
        return [*made, lower]

    def _placed(self, layers: list[list[Node]], loops: Sequence[Edge]) -> Plan:
        """Every node's place becomes a box's or a way's."""
        tops: list[float] = []
        bottoms: list[float] = []
        y = 0.0
        for layer in layers:
            tall = max(node.height for node in layer)
            tops.append(y)
            bottoms.append(y + tall)
            y += tall + LAYERS
        left = min(node.x - node.width / 2 for layer in layers for node in layer)
        at = {}
        for number, layer in enumerate(layers):
            for node in layer:
                node.x -= left
                node.layer = number
                if node.key:
                    middle = (tops[number] + bottoms[number]) / 2
                    at[node.key] = (node.x - node.width / 2, middle - node.height / 2)
        boxes = tuple(_moved(box, *at[key]) for key, box in self.boxes.items())
        ports = _ports(self.chains)
        ways = [self._way(*one, ports, (tops, bottoms), at) for one in self.chains]
        placed = {box.key: box for box in boxes}
        ways += [_loop(edge, placed[edge.source]) for edge in loops]
        right = max(
            [box.x + box.width for box in boxes]
            + [point[0] for way in ways for point in way.points]
            + [n.x + n.width / 2 for layer in layers for n in layer]
            + [_right(way) for way in ways if way.edge.source == way.edge.target]
        )
        return Plan(right, max(bottoms), boxes, tuple(ways))

    def _way(
        self,
        edge: Edge,
        chain: list[Node],
        turned: bool,
        ports: Mapping[tuple[int, int], float],
        rows: tuple[list[float], list[float]],
        at: Mapping[str, Point],
    ) -> Way:
        tops, bottoms = rows
        upper, lower = chain[0], chain[-1]
        out, into = ports[id(upper), id(chain[1])], ports[id(lower), id(chain[-2])]
        points = [(out, at[upper.key][1] + upper.height), (out, bottoms[upper.layer])]
        label = None
        for node in chain[1:-1]:
            points += [(node.x, tops[node.layer]), (node.x, bottoms[node.layer])]
            if node.labelled:
                label = (node.x, (tops[node.layer] + bottoms[node.layer]) / 2)
        points += [(into, tops[lower.layer]), (into, at[lower.key][1])]
        return Way(edge, tuple(reversed(points) if turned else points), label)


def _ports(
    chains: Sequence[tuple[Edge, list[Node], bool]],
) -> dict[tuple[int, int], float]:
    """Where on a box its edges begin and end: (box, next node) -> x, in the order of where they lead."""
    below: dict[int, list[Node]] = {}
    above: dict[int, list[Node]] = {}
    known: dict[int, Node] = {}
    for _, chain, _ in chains:
        known |= {id(chain[0]): chain[0], id(chain[-1]): chain[-1]}
        below.setdefault(id(chain[0]), []).append(chain[1])
        above.setdefault(id(chain[-1]), []).append(chain[-2])
    found = {}
    for side in (below, above):
        for key, others in side.items():
            node = known[key]
            apart = min(22.0, (node.width - 24) / max(1, len(others)))
            for place, other in enumerate(sorted(others, key=lambda one: one.x)):
                found[key, id(other)] = node.x + (place - (len(others) - 1) / 2) * apart
    return found


def _loop(edge: Edge, box: Box) -> Way:
    """A state that leads to itself: a way out of its right side and back."""
    right, middle = box.x + box.width, box.y + box.height / 2
    points = ((right, middle + 8), (right + 22, middle + 8), (right + 22, middle - 8))
    return Way(edge, (*points, (right, middle - 8)), (right + 26, middle))


def _right(way: Way) -> float:
    return max(x for x, _ in way.points) + len(way.edge.label) * LABEL_LETTER + 8
