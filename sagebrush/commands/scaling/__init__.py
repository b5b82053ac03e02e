"""`scaling`: what a scaling policy would do, before it costs money."""

from __future__ import annotations

import argparse
import importlib
from types import ModuleType

PARTS = {
    "simulate": ("replay traffic against a scaling policy, in milliseconds", "simulate"),
}
"""Subcommand -> its help, and the module in this package that implements it (`configure`, `run`)."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the parts of `scaling`."""
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
