"""Nodes in layers: which edges are turned round, how deep a node is, where it stands in its layer. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SWEEPS, ROUNDS, STRAIGHTENINGS = 12, 40, 3
Link = tuple["Node", "Node"]


@dataclass
class Node:
    """A box, or ("" as its key) the place of an edge in a layer that it passes. `x` is its middle."""

    key: str
    width: float
    height: float
    layer: int = 0
    x: float = 0.0
    labelled: bool = False


def turned(keys: Sequence[str], edges: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Edges that lead back to a node from which they were reached: without them there is no cycle."""
    after: dict[str, list[str]] = {key: [] for key in keys}
    for source, target in edges:
        after[source].append(target)
    found: set[tuple[str, str]] = set()
    done: set[str] = set()
    for first in keys:
        if first in done:
            continue
        path, stack = {first}, [(first, iter(after[first]))]
        while stack:
            key, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                path.discard(key)
                done.add(key)
            elif following in path:
                found.add((key, following))
            elif following not in done:
                path.add(following)
                stack.append((following, iter(after[following])))
    return found


def depths(keys: Sequence[str], edges: Sequence[tuple[str, str, int]]) -> dict[str, int]:
    """Each node's layer: as near to the first as the lengths of edges allow; those that nothing leads
    to stand just above what they lead to."""
    found = dict.fromkeys(keys, 0)
    order = _ordered_by_edges(keys, edges)
    outgoing: dict[str, list[tuple[str, int]]] = {key: [] for key in keys}
    entered: set[str] = set()
    for upper, lower, length in edges:
        outgoing[upper].append((lower, length))
        entered.add(lower)
    for key in order:
        for lower, length in outgoing[key]:
            found[lower] = max(found[lower], found[key] + length)
    for key in keys[1:]:
        if key not in entered and outgoing[key]:
            found[key] = max(0, min(found[lower] - length for lower, length in outgoing[key]))
    return found


def _ordered_by_edges(keys: Sequence[str], edges: Sequence[tuple[str, str, int]]) -> list[str]:
    """Every node after those that lead to it."""
    waits = dict.fromkeys(keys, 0)
    after: dict[str, list[str]] = {key: [] for key in keys}
    for upper, lower, _ in edges:
        waits[lower] += 1
        after[upper].append(lower)
    order = [key for key in keys if not waits[key]]
    for key in order:
        for lower in after[key]:
            waits[lower] -= 1
            if not waits[lower]:
                order.append(lower)
    return order


def ordered(layers: list[list[Node]], links: Sequence[Link]) -> list[list[Node]]:
    """The layers with their nodes in an order in which few edges cross, the best of some sweeps."""
    above, below = _neighbours(links)
    best, fewest = [list(layer) for layer in layers], crossings(layers, links)
    now = [list(layer) for layer in layers]
    for sweep in range(SWEEPS):
        beside, order = (above, range(1, len(now))) if sweep % 2 == 0 else (
            below, range(len(now) - 2, -1, -1)
        )  # fmt: skip
        for at in order:
            other = now[at - 1] if sweep % 2 == 0 else now[at + 1]
            places = {id(node): place for place, node in enumerate(other)}
            now[at] = _by_middle(now[at], beside, places)
        count = crossings(now, links)
        if count < fewest:
            best, fewest = [list(layer) for layer in now], count
        if not fewest:
            break
    return best


def _by_middle(
    layer: list[Node], beside: dict[int, list[Node]], places: dict[int, int]
) -> list[Node]:
    """The layer in the order of the mean places of each node's neighbours; others keep their place."""
    wanted = {}
    for at, node in enumerate(layer):
        found = [places[id(one)] for one in beside.get(id(node), ()) if id(one) in places]
        wanted[id(node)] = sum(found) / len(found) if found else float(at)
    return sorted(layer, key=lambda node: wanted[id(node)])


def crossings(layers: Sequence[Sequence[Node]], links: Iterable[Link]) -> int:
    """How many pairs of edges cross between layers that are next to each other."""
    at = {id(node): place for layer in layers for place, node in enumerate(layer)}
    between: dict[int, list[tuple[int, int]]] = {}
    for upper, lower in links:
        between.setdefault(upper.layer, []).append((at[id(upper)], at[id(lower)]))
    count = 0
    for pairs in between.values():
        seen: list[int] = []
        for _, low in sorted(pairs):
            count += len(seen) - bisect.bisect_right(seen, low)
            bisect.insort(seen, low)
    return count


def _neighbours(links: Iterable[Link]) -> tuple[dict[int, list[Node]], dict[int, list[Node]]]:
    above: dict[int, list[Node]] = {}
    below: dict[int, list[Node]] = {}
    for upper, lower in links:
        above.setdefault(id(lower), []).append(upper)
        below.setdefault(id(upper), []).append(lower)
    return above, below


def placed(layers: Sequence[Sequence[Node]], links: Sequence[Link], apart: float) -> None:
    """Every node has its x: near to its neighbours, `apart` from what stands beside it."""
    above, below = _neighbours(links)
    for layer in layers:
        at = 0.0
        for node in layer:
            node.x = at + node.width / 2
            at += node.width + apart
    for number in range(ROUNDS):
        both = number >= ROUNDS // 2
        down = number % 2 == 0
        for layer in layers if down else reversed(layers):
            wanted, weights = [], []
            for node in layer:
                near = above.get(id(node), []) if down or both else []
                near = near + (below.get(id(node), []) if not down or both else [])
                # an edge through several layers is to be straight
                heavy = [8.0 if not one.key and not node.key else 1.0 for one in near]
                total = sum(heavy)
                mean = sum(w * one.x for w, one in zip(heavy, near, strict=True))
                wanted.append(mean / total if total else node.x)
                weights.append(total or 0.1)
            _spread(layer, wanted, weights, apart)
    for _ in range(STRAIGHTENINGS):
        for run in _runs(layers, above, below):
            _straighten(run, layers, apart)


def _runs(
    layers: Sequence[Sequence[Node]],
    above: dict[int, list[Node]],
    below: dict[int, list[Node]],
) -> list[list[Node]]:
    """Nodes below one another, each the only one that its upper neighbour leads to and led to by it alone;
    the longest runs come first."""
    seen: set[int] = set()
    found = []
    for layer in layers:
        for node in layer:
            run = [node]
            while id(run[-1]) not in seen and len(next_ := below.get(id(run[-1]), [])) == 1:
                if len(above[id(next_[0])]) > 1 or next_[0].layer != run[-1].layer + 1:
                    break
                seen.add(id(run[-1]))
                run.append(next_[0])
            seen.add(id(run[-1]))
            if len(run) > 1:
                found.append(run)
    return sorted(found, key=len, reverse=True)


def _straighten(run: list[Node], layers: Sequence[Sequence[Node]], apart: float) -> None:
    """The nodes of a run stand below one another, where their layers leave room for that."""
    low, high = float("-inf"), float("inf")
    for node in run:
        layer = layers[node.layer]
        at = next(place for place, one in enumerate(layer) if one is node)
        if at:
            low = max(low, layer[at - 1].x + _between(layer[at - 1], node, apart))
        if at + 1 < len(layer):
            high = min(high, layer[at + 1].x - _between(node, layer[at + 1], apart))
    if low <= high:
        mean = sum(node.x for node in run) / len(run)
        for node in run:
            node.x = min(max(mean, low), high)


def _between(left: Node, right: Node, apart: float) -> float:
    """The least distance of the middles of two nodes beside one another; ways may lie closer."""
    close = apart if left.key or right.key else apart / 2
    return (left.width + right.width) / 2 + close


def _spread(
    layer: Sequence[Node], wanted: Sequence[float], weights: Sequence[float], apart: float
) -> None:
    """The nodes stand in their order, as near to where they want to be as their widths allow.

    The least sum of weighted squares, by pooling neighbours that would overlap.
    """
    offsets, at = [], 0.0
    for place, node in enumerate(layer):
        if place:
            at += _between(layer[place - 1], node, apart)
        offsets.append(at)
    pools: list[tuple[float, float, int]] = []
    for want, weight, offset in zip(wanted, weights, offsets, strict=True):
        total, heavy, count = (want - offset) * weight, weight, 1
        while pools and pools[-1][0] / pools[-1][1] >= total / heavy:
            other = pools.pop()
            total, heavy, count = total + other[0], heavy + other[1], count + other[2]
        pools.append((total, heavy, count))
    position = 0
    for total, heavy, count in pools:
        for node, offset in zip(
            layer[position : position + count], offsets[position : position + count], strict=True
        ):
            node.x = total / heavy + offset
        position += count
