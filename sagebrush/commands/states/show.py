"""`states show`: an execution as a tree of states."""

from __future__ import annotations

import argparse
import json
import sys
import time

from sagebrush.commands.states import lines, named, works
from sagebrush.commands.states import tree as trees
from sagebrush.commands.states.document import document
from sagebrush.commands.states.lines import Row, Shown
from sagebrush.commands.states.tree import Tree


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `states show`."""
    named.add_arguments(parser)
    parser.add_argument("--items", type=int, default=5, metavar="N", help="of a Map (default 5)")
    parser.add_argument("--full", action="store_true", help="input and output as a whole")
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Prints the tree; raises CommandError where nothing has the name."""
    found = named.one(args)
    execution = named.required(found)
    tree = named.begin(found.client, execution)
    if args.json:
        told = {"executionArn": execution, "stateMachineArn": found.machine, **document(tree)}
        print(json.dumps(told, indent=2))
        return 0
    runs = named.map_runs(found.client, tree, args.items)
    shown = Shown(time.time(), items=args.items, whole=args.full, map_runs=runs)
    write(tree, found.name, shown)
    print(execution)
    return 0


def write(tree: Tree, name: str, shown: Shown) -> None:
    """The tree is printed, in colours where the output is a terminal, and what helps further."""
    put(lines.head(tree, name, shown), lines.rows(tree, shown), whole=shown.whole)
    if tree.error is not None and not any(v.error == tree.error for v in tree.visits()):
        print(lines.reason(tree.error, tree.cause))
    jobs = [
        (visit.status in (trees.FAILED, trees.CAUGHT), visit.entered, work.name)
        for visit in tree.visits()
        if (work := works.work(visit)) and work.logged
    ]
    if jobs:
        print(f"sagebrush logs {max(jobs)[2]} shows what a job wrote")


def put(head: str, rows: list[Row], whole: bool = False) -> None:
    """A head line and rows are printed."""
    if not sys.stdout.isatty():
        print("\n".join([head, *lines.plain(rows)]))
        return
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    console.print(head, style="bold", markup=False)
    console.print(lines.styled(rows, 0 if whole else console.width), end="")
