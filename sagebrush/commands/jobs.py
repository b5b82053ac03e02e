"""`jobs`: training jobs, endpoints and the like, newest first; and what is done to one of them."""

from __future__ import annotations

import argparse
import importlib
from types import ModuleType

from sagebrush.commands import places

PARTS = {
    "show": ("all that is known of one job, endpoint or notebook", "job.show"),
    "shell": ("a shell, or a command, inside a live job", "job.shell"),
    "dump": ("what a live job's Python processes do now (py-spy)", "job.dump"),
    "interrupt": (
        "interrupt a managed spot training job, as a test of its recovery",
        "job.interrupt",
    ),
    "plot": ("a tuning job as a picture, or the topics of a job of lda or ntm", "job.plot"),
}
"""Subcommand -> its help, and the module in this package that implements it (`configure`, `run`)."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `jobs` and of its parts."""
    parser.add_argument("-n", type=int, default=20, help="how many of each (default 20)")
    places.add_account(parser)
    parser.set_defaults(part=_module("job.table").run)
    parts = parser.add_subparsers(metavar=" | ".join(PARTS))
    for name, (words, module) in PARTS.items():
        part = parts.add_parser(name, help=words, description=words[0].upper() + words[1:])
        found = _module(module)
        found.configure(part)
        part.set_defaults(part=found.run)


def run(args: argparse.Namespace) -> int:
    """Runs the subcommand; without one, prints the table of all jobs."""
    return args.part(args)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"sagebrush.commands.{name}")
