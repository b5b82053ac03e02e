"""A state machine's graph as one SVG file, coloured by what an execution did. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from sagebrush.commands.states import colours, layout, lines, works
from sagebrush.commands.states import tree as trees
from sagebrush.commands.states.document import moment
from sagebrush.commands.states.layout import END, START, Box, Plan, Way
from sagebrush.commands.states.tree import Tree, Visit

MARGIN, TITLE = 20.0, 46.0
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif"
WORST = (trees.RUNNING, trees.RETRYING, trees.FAILED, trees.TIMED_OUT, trees.ABORTED)
"""Which status of several visits a box has: the first of these, else the last visit's."""
MOST = 300
"""Letters of input and output that a tooltip shows."""
STYLE = f"""
.graph text {{ font-family: {FONT}; font-size: 13px; fill: var(--ink); }}
.graph .name {{ font-weight: 600; }}
.graph .said, .graph .label {{ font-size: 11px; fill: var(--faint); }}
.graph .head {{ font-size: 16px; font-weight: 600; }}
.graph .label {{ paint-order: stroke; stroke: var(--under, var(--ground)); stroke-width: 4px;
  stroke-linejoin: round; }}
.graph .label.catch {{ fill: var(--warm); }}
.graph .inside {{ --under: var(--inside); }}
.graph .way {{ fill: none; stroke: var(--line); stroke-width: 1.4; }}
.graph .way.catch {{ stroke: var(--warm); stroke-dasharray: 5 4; }}
.graph .tip {{ fill: var(--line); }}
.graph .tip.catch {{ fill: var(--warm); }}
.graph .ground {{ fill: var(--ground); }}
.graph .within {{ fill: var(--inside); stroke: none; }}
.graph .mark {{ fill: var(--ground); stroke: var(--line); stroke-width: 1.5; }}
.graph .mark.end {{ stroke-width: 3; }}
.graph .split {{ stroke: var(--line); stroke-dasharray: 2 4; opacity: .6; }}
.graph .box {{ stroke-width: 1.6; }}
.graph .state.open .name {{ fill: var(--faint); }}
.graph .state.failed .box, .graph .state.timed-out .box {{ stroke-width: 2.4; }}
"""
STATUSES = tuple(colours.LIGHT.boxes)


def style() -> str:
    """The style sheet of a graph in both themes."""
    boxes = "\n".join(
        f".graph .state.{word} > .box {{ fill: var(--{word}); stroke: var(--{word}-edge); }}"
        for word in map(colours.css, STATUSES)
    )
    return f"{colours.style('.graph')}{STYLE}{boxes}\n"


def picture(definition: Mapping[str, Any], found: Tree | None, title: str, now: float) -> str:
    """The SVG document; `found` is None for a machine alone, all of whose states are then alike."""
    seen: dict[str, list[Visit]] = {}
    for visit in found.visits() if found is not None else ():
        seen.setdefault(visit.name, []).append(visit)
    drawn = _Drawn(seen, now, found.map_runs if found is not None else {})
    said = {
        name: drawn.said(name, state.get("Type", ""))
        for _, machine in trees.machines(definition)
        for name, state in machine.get("States", {}).items()
    }
    plan = layout.plan(definition, said).moved(MARGIN, MARGIN + TITLE)
    least = max(lines.cells(title) * 11.2, 320.0)
    width, height = max(plan.width, least) + 2 * MARGIN, plan.height + TITLE + 2 * MARGIN
    if plan.width < least:
        plan = plan.moved((least - plan.width) / 2, 0)
    body = "\n".join(_plan(plan, drawn))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">\n'
        f"<style>{style()}</style>\n"
        f'<rect class="ground" width="{width:.0f}" height="{height:.0f}"/>\n'
        f'<text class="head" x="{MARGIN:.0f}" y="{MARGIN + 12:.0f}">{escape(title)}</text>\n'
        f'<text class="said" x="{MARGIN:.0f}" y="{MARGIN + 30:.0f}">{escape(_under(found, now))}'
        f"</text>\n{body}\n</svg>\n"
    )


def _under(found: Tree | None, now: float) -> str:
    """The line below the title."""
    if found is None or found.started is None:
        return "no execution"
    took = lines.lasted((found.ended or now) - found.started)
    start = (moment(found.started) or "").replace("T", " ")[:19]
    again = f" ({found.redrives + 1} runs)" if found.redrives else ""
    said = f"{found.status.lower().replace('_', ' ')}, {took}{again}, started {start} UTC"
    return f"{said}, {layout.cut(found.error, 60)}" if found.error else said


class _Drawn:
    """What the drawing of a box asks: the visits of its state."""

    def __init__(
        self,
        seen: Mapping[str, Sequence[Visit]],
        now: float,
        map_runs: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.seen, self.now, self.map_runs = seen, now, map_runs

    def status(self, name: str) -> str:
        return status_of(self.seen.get(name, ()))

    def said(self, name: str, type_: str) -> str:
        """The small line of a box: its type, how long it took, how often it was visited."""
        visits = self.seen.get(name, ())
        if not visits:
            return type_
        last = visits[-1]
        parts = [type_]
        if len(visits) > 1:
            longest = max((one.ended or self.now) - one.entered for one in visits)
            parts += [f"{len(visits)} ×", f"≤ {lines.lasted(longest)}"]
        else:
            parts.append(lines.lasted((last.ended or self.now) - last.entered))
        if last.type == "Map":
            parts.append(lines.iterations(last, self.map_runs))
        if last.tries > 1:
            parts.append(f"{last.tries} tries")
        return ", ".join(parts)

    def tooltip(self, box: Box) -> str:
        """The whole name, the status, what was started, errors, input and output."""
        made = [box.key, self.said(box.key, box.type)]
        visits = self.seen.get(box.key, ())
        if not visits:
            return "\n".join(made)
        last = visits[-1]
        made.append(last.status)
        if work := works.work(last):
            made.append(str(work))
        if last.error is not None and last.status != trees.RUNNING:
            made.append(": ".join(filter(None, (last.error, last.cause))))
        made.append(f"input: {lines.shortened(last.input, MOST)}")
        if last.output is not None:
            made.append(f"output: {lines.shortened(last.output, MOST)}")
        return "\n".join(made)


def status_of(visits: Sequence[Visit]) -> str:
    """The status that stands for several visits; "" for none."""
    there = {visit.status for visit in visits}
    worst = next((status for status in WORST if status in there), None)
    return worst or (visits[-1].status if visits else "")


def _plan(plan: Plan, drawn: _Drawn) -> Iterator[str]:
    for way in plan.ways:
        yield from _way(way)
    for box in plan.boxes:
        yield from _mark(box) if box.key in (START, END) else _box(box, drawn)
    for way in plan.ways:
        yield from _label(way)


def _way(way: Way) -> Iterator[str]:
    """The line with its tip; between two upright points it bends."""
    word = "catch" if way.edge.kind == "catch" else way.edge.kind
    (x, y), *rest = way.points
    path = [f"M{x:.1f} {y:.1f}"]
    loop = way.edge.source == way.edge.target
    for px, py in rest:
        if loop or abs(px - x) < 0.5:
            path.append(f"L{px:.1f} {py:.1f}")
        else:
            middle = (y + py) / 2
            path.append(f"C{x:.1f} {middle:.1f} {px:.1f} {middle:.1f} {px:.1f} {py:.1f}")
        x, y = px, py
    yield f'<path class="way {word}" d="{" ".join(path)}"/>'
    (bx, by), (ax, ay) = way.points[-2], way.points[-1]
    turn = (1.0, 0.0) if abs(ay - by) < 0.1 and ax > bx else (-1.0, 0.0)
    if abs(ay - by) >= 0.1 or not loop:
        turn = (0.0, 1.0 if ay >= by and way.points[0][1] <= ay else -1.0)
    dx, dy = turn
    corners = [
        (ax, ay),
        (ax - 7 * dx + 4 * dy, ay - 7 * dy + 4 * dx),
        (ax - 7 * dx - 4 * dy, ay - 7 * dy - 4 * dx),
    ]
    yield f'<polygon class="tip {word}" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in corners)}"/>'


def _label(way: Way) -> Iterator[str]:
    if way.label_at is None or not way.edge.label:
        return
    x, y = way.label_at
    anchor = "start" if way.edge.source == way.edge.target else "middle"
    yield (
        f'<text class="label {way.edge.kind}" x="{x:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}">'
        f"{escape(way.edge.label)}</text>"
    )


def _mark(box: Box) -> Iterator[str]:
    end = " end" if box.key == END else ""
    x, y = box.x + box.width / 2, box.y + box.height / 2
    size = f'width="{box.width:.1f}" height="{box.height:.1f}" rx="{box.height / 2:.1f}"'
    yield f'<rect class="mark{end}" x="{box.x:.1f}" y="{box.y:.1f}" {size}/>'
    word = "End" if end else "Start"
    yield f'<text class="said" x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle">{word}</text>'


def _box(box: Box, drawn: _Drawn) -> Iterator[str]:
    status = drawn.status(box.key)
    word = colours.css(status)
    yield f'<g class="state {word}" data-state={quoteattr(box.key)}>'
    yield f"<title>{escape(drawn.tooltip(box))}</title>"
    place = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
    yield f'<rect class="box" {place} rx="7"/>'
    mark = lines.MARKS[status][0] + " " if status else ""
    name = escape(mark + layout.cut(box.key, layout.NAME))
    said = escape(drawn.said(box.key, box.type))
    if not box.parts:
        middle = box.x + box.width / 2
        yield f'<text class="name" x="{middle:.1f}" y="{box.y + 19:.1f}" text-anchor="middle">{name}</text>'
        yield f'<text class="said" x="{middle:.1f}" y="{box.y + 34:.1f}" text-anchor="middle">{said}</text>'
        yield "</g>"
        return
    left = box.x + layout.PAD
    yield f'<text class="name" x="{left:.1f}" y="{box.y + 17:.1f}">{name}</text>'
    yield f'<text class="said" x="{left:.1f}" y="{box.y + 31:.1f}">{said}</text>'
    yield "</g>"
    yield '<g class="inside">'
    top, tall = box.y + layout.HEAD - 4, box.height - layout.HEAD
    yield (
        f'<rect class="within" x="{box.x + 6:.1f}" y="{top:.1f}" width="{box.width - 12:.1f}" '
        f'height="{tall:.1f}" rx="4"/>'
    )
    for before, part in zip(box.parts, box.parts[1:], strict=False):
        at = (before.x + before.width + part.x) / 2
        yield f'<line class="split" x1="{at:.1f}" x2="{at:.1f}" y1="{top + 6:.1f}" y2="{top + tall - 6:.1f}"/>'
    for part in box.parts:
        yield from _plan(part, drawn)
    yield "</g>"
