"""`states tail`: an execution live; redrawn in a terminal, a line for each change elsewhere."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from sagebrush.commands.states import lines, named, show, works
from sagebrush.commands.states import tree as trees
from sagebrush.commands.states.lines import Row, Shown
from sagebrush.commands.states.named import Found
from sagebrush.commands.states.tree import Tree, Visit

POLL_SECONDS, PATIENCE = 0.25, 60.0
"""Seconds between two looks; for how long a server that does not answer is waited for."""
LIVE = (trees.RUNNING, trees.RETRYING)


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `states tail`."""
    named.add_arguments(parser)
    parser.add_argument("--items", type=int, default=5, metavar="N", help="of a Map (default 5)")


def run(args: argparse.Namespace) -> int:
    """Follows the execution until it ends; the exit status is 0 when it succeeded, else 1. Ctrl-C
    leaves it alone."""
    found = named.one(args)
    execution = named.required(found)
    tree = named.begin(found.client, execution)
    if sys.stdout.isatty():
        _watch(found, tree, args.items)
        runs = named.map_runs(found.client, tree, args.items)
        shown = Shown(time.time(), items=args.items, data=False, map_runs=runs)
        show.write(tree, found.name, shown)
    else:
        for line in _follow(found, tree):
            print(line, flush=True)
    return 0 if tree.status == trees.SUCCEEDED else 1


def _watch(found: Found, tree: Tree, items: int) -> None:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    console = Console(highlight=False)
    runs: dict[str, Any] = {}
    looked = 0.0
    with Live(console=console, auto_refresh=False, transient=True) as screen:
        while tree.status == trees.RUNNING:
            if (now := time.time()) - looked > 1.0:
                runs, looked = dict(named.map_runs(found.client, tree, items)), now
            shown = Shown(now, items=items, data=False, map_runs=runs)
            head = Text(lines.head(tree, found.name, shown), style="bold")
            rows = fitting(lines.rows(tree, shown), console.height - 2)
            screen.update(Group(head, lines.styled(rows, console.width)), refresh=True)
            look(found, tree)


def look(found: Found, tree: Tree) -> None:
    """A moment later, the tree has what happened since; a server that starts again is waited for.
    Raises CommandError."""
    until = time.monotonic() + PATIENCE
    while True:
        time.sleep(POLL_SECONDS)
        try:
            named.go_on(found.client, found.execution, tree)
        except named.Unanswered:
            if time.monotonic() > until:
                raise
        else:
            return


def fitting(rows: Sequence[Row], room: int) -> list[Row]:
    """As many rows as there is room for: what runs and what is around it, then what is nearest to it.

    A row stands for those that are left out at each place.
    """
    heights = [1 + len(row.notes) for row in rows]
    if sum(heights) <= room:
        return list(rows)
    live = [at for at, row in enumerate(rows) if row.status in LIVE] or [len(rows) - 1]
    nearest = sorted(range(len(rows)), key=lambda at: min(abs(at - one) for one in live))
    kept: set[int] = set()
    for at in nearest:
        trial = kept | {at}
        needed = sum(heights[one] for one in trial) + _gaps(trial, len(rows))
        if needed > room:
            break
        kept = trial
    made: list[Row] = []
    missing = 0
    for at, row in enumerate(rows):
        if at not in kept:
            missing += 1
            continue
        if missing:
            made.append(Row("", f"{missing} more", lead=row.lead[:-2]))
        missing = 0
        made.append(row)
    return [*made, *([Row("", f"{missing} more")] if missing else [])]


def _gaps(kept: set[int], count: int) -> int:
    """How many stretches of rows are left out."""
    there = [at in kept for at in range(count)]
    return sum(not now and (at == 0 or there[at - 1]) for at, now in enumerate(there))


def _follow(found: Found, tree: Tree) -> Iterator[str]:
    """A line for each state that is entered or ends, until the execution does."""
    said: dict[int, str] = {}
    while True:
        yield from changes(tree, said)
        if tree.status != trees.RUNNING:
            shown = Shown(tree.ended or time.time())
            error = lines.shortened(lines.reason(tree.error, tree.cause), 300)
            yield lines.head(tree, found.name, shown) + (f"  {error}" if error else "")
            return
        look(found, tree)


def changes(tree: Tree, said: dict[int, str]) -> list[str]:
    """Lines on visits whose status or try is another than was `said`, in the order of their times."""
    found: list[tuple[float, int, str]] = []
    for number, visit in enumerate(tree.visits()):
        now = f"{visit.status} {visit.tries} {works.work(visit)}"
        if said.get(id(visit)) != now:
            said[id(visit)] = now
            when = visit.ended or (visit.attempts[-1].scheduled if visit.attempts else None)
            found.append((when or visit.entered, number, _line(visit, when or visit.entered)))
    return [line for _, _, line in sorted(found)]


def _line(visit: Visit, when: float) -> str:
    clock = f"{time.strftime('%H:%M:%S', time.localtime(when))}"
    words = lines.SAID.get(visit.status, visit.status.lower())
    parts = [f"{clock} {lines.MARKS[visit.status][0]} {path(visit)} {words}"]
    if visit.ended is not None:
        parts[0] += f" after {lines.lasted(visit.ended - visit.entered)}"
    if work := works.work(visit):
        parts.append(str(work))
    if visit.tries > 1:
        parts.append(f"{lines.ordinal(visit.tries)} try")
    if visit.error is not None and visit.status != trees.RUNNING:
        parts.append(lines.shortened(lines.reason(visit.error, visit.cause), 300))
    return lines.harmless(", ".join(parts))


def path(visit: Visit) -> str:
    """The state with the items and branches around it: `Languages[3] / Detect`."""
    owner = visit.line.owner
    if owner is None:
        return visit.name
    index = visit.line.index if owner.type == "Map" else visit.line.index + 1
    return f"{path(owner)}[{index}] / {visit.name}"
