"""`states graph`: a state machine as a picture, coloured by what an execution did."""

from __future__ import annotations

import argparse
import json
import sys
import time
import webbrowser
from pathlib import Path

from sagebrush.commands.running import CommandError
from sagebrush.commands.states import named, page, svg

KINDS = {".svg": svg.picture, ".html": page.page}
"""Ending of the file's name -> what draws it."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `states graph`."""
    named.add_arguments(parser)
    words = "the file, .svg or .html (default: NAME.html)"
    parser.add_argument("-o", "--output", type=Path, help=words)
    parser.add_argument("--plain", action="store_true", help="the machine alone, of no execution")
    parser.add_argument("--open", action="store_true", help="show it in the browser")


def run(args: argparse.Namespace) -> int:
    """The picture is in the file, whose name is printed; raises CommandError where nothing has the
    name."""
    found = named.one(args)
    path: Path = args.output or Path(f"{found.name}.html")
    draw = KINDS.get(path.suffix.lower())
    if draw is None:
        raise CommandError(f"{path}: the file's name must end in {' or '.join(KINDS)}")
    tree, title = None, found.machine.rpartition(":")[2]
    if found.execution and not args.plain:
        tree = named.begin(found.client, found.execution)
        tree.map_runs = named.map_runs(found.client, tree)
        definition = tree.drawn
        title = title if title == found.name else f"{title}: {found.name}"
    else:
        with named.told():
            machine = found.client.describe_state_machine(stateMachineArn=found.machine)
        definition = json.loads(machine["definition"])
    try:
        path.write_text(draw(definition, tree, title, time.time()), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
    print(path)
    if args.open and not webbrowser.open(path.resolve().as_uri()):
        print("no browser could be opened", file=sys.stderr)
    return 0
