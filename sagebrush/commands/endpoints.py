"""`endpoints`: what answers, what sleeps, and what it would cost; `plot` draws one."""

from __future__ import annotations

import argparse
import importlib
from types import ModuleType

from sagebrush.commands import places

PARTS = {
    "plot": (
        "an endpoint's requests, latencies, instances and scaling activities as a picture",
        "endpoint.plot",
    ),
}
"""Subcommand -> its help, and the module in this package that implements it (`configure`, `run`)."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `endpoints` and of its parts."""
    places.add_account(parser)
    parser.set_defaults(part=_module("endpoint.table").run)
    parts = parser.add_subparsers(title="parts", metavar=f"[{' | '.join(PARTS)}]")
    for name, (words, module) in PARTS.items():
        part = parts.add_parser(name, help=words, description=words[0].upper() + words[1:])
        found = _module(module)
        found.configure(part)
        part.set_defaults(part=found.run)


def run(args: argparse.Namespace) -> int:
    """Runs the subcommand; without one, prints the table of all endpoints."""
    return args.part(args)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"sagebrush.commands.{name}")
