"""`states`: what Step Functions' state machines did and do, as tables, trees and pictures."""

from __future__ import annotations

import argparse
import importlib
from types import ModuleType

from sagebrush.commands import places

PARTS = {
    "list": ("state machines and their latest executions", "table"),
    "show": ("an execution as a tree: states, times, data, errors, jobs", "show"),
    "graph": ("a machine as a picture, .svg or .html, coloured by an execution", "graph"),
    "tail": ("an execution live, until it ends", "tail"),
}
"""Subcommand -> its help, and the module in this package that implements it (`configure`, `run`)."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the parts of `states`."""
    places.add_account(parser)
    parts = parser.add_subparsers(metavar=" | ".join(PARTS), required=True)
    for name, (words, module) in PARTS.items():
        part = parts.add_parser(name, help=words, description=words[0].upper() + words[1:])
        found = _module(module)
        found.configure(part)
        part.set_defaults(part=found.run)


def run(args: argparse.Namespace) -> int:
    """Runs the subcommand."""
    return args.part(args)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")
