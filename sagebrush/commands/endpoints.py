"""`endpoints`: what endpoints do; `plot` draws one."""

from __future__ import annotations

import argparse
import importlib
from types import ModuleType

PARTS = {
    "plot": (
        "an endpoint's requests, latencies, instances and scaling activities as a picture",
        "endpoint.plot",
    ),
}
"""Subcommand -> its help, and the module in this package that implements it (`configure`, `run`)."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the parts of `endpoints`."""
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
    return importlib.import_module(f"sagebrush.commands.{name}")
