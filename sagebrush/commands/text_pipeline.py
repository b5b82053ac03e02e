"""`quickstart --pipeline`: the example text_pipeline as a user runs it, then the graph of what it did."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import sagebrush
from sagebrush.commands import env, running
from sagebrush.commands.running import CommandError, Server
from sagebrush.settings import Settings

if TYPE_CHECKING:
    from sagebrush.commands.quickstart import Book

SCRIPT = Path(sagebrush.__file__).parent / "examples" / "text_pipeline" / "pipeline.py"


def run(args: argparse.Namespace, book: Book) -> int:
    """The script has run against the server, the graph is in `args.out`; raises CommandError where a
    step failed, or the model is right less often than was asked."""
    from sagebrush.commands import quickstart

    quickstart.interpreter(running.settings(), book, "base")  # its functions come first
    name = time.strftime("texts-%m%d-%H%M%S")
    data = args.data.resolve() if args.data else None
    with quickstart.serving(args, book) as (chosen, server):
        given = os.environ | env.variables(chosen, server)
        words = ["--data", str(data)] if data else []
        least = ["--least", f"{args.at_least:g}"] if args.at_least else []
        try:
            status = _script(given, "run", name, "--keep", *words, *least)
            told = _told(chosen, server, name, args.out, book)
        finally:
            if not args.keep:
                with book.stage("remove") as tell:
                    _script(given, "remove", name)
                    tell("all but the jobs, as on AWS")
    if told:
        book.console.print(f"\ngraph: {told}", markup=False)
    if status:
        raise CommandError("the pipeline failed, as told above")
    return 0


def _script(given: dict[str, str], *words: str) -> int:
    """The script's exit status, for the command line; what it prints is seen."""
    return subprocess.run([sys.executable, str(SCRIPT), *words], env=given).returncode


def _told(chosen: Settings, server: Server, name: str, out: Path, book: Book) -> Path | None:
    """The tree is printed; the page with the graph. None where there was no execution."""
    from sagebrush.commands.states import named, page, show
    from sagebrush.commands.states.lines import Shown

    client = running.client(chosen, server, named.SERVICE)
    machines = {each["name"]: each["stateMachineArn"] for each in named.machines(client)}
    found = named.latest(client, machines[name]) if name in machines else None
    if found is None or not found.execution:
        return None
    tree = named.begin(client, found.execution)
    book.console.print()
    show.write(tree, name, Shown(time.time(), data=False))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError:
        out = Path(tempfile.mkdtemp(prefix="sagebrush-quickstart-"))
    path = out / "pipeline.html"
    path.write_text(page.page(tree.drawn, tree, name, time.time()), encoding="utf-8")
    return path
