"""`jobs dump`: the stacks of a live job's Python processes, read from outside by py-spy."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from sagebrush.commands import places, running
from sagebrush.commands.job import inside
from sagebrush.commands.running import CommandError
from sagebrush.compute import record
from sagebrush.compute.shim import cgroup

TOOL = "py-spy"


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `jobs dump`."""
    parser.add_argument("name", metavar="NAME", help="a job, endpoint or notebook that runs")
    places.add_argument(parser)
    parser.add_argument("--host", default="", help="which of its instances (default: the first)")
    parser.add_argument("--locals", action="store_true", help="with the values of local variables")


def run(args: argparse.Namespace) -> int:
    """Prints each process's stacks; raises CommandError where that cannot be done."""
    tool = _tool()
    if tool is None:
        raise CommandError(f"{TOOL} is not installed: {sys.executable} -m pip install {TOOL}")
    chosen = running.settings()
    each = inside.find(chosen, args.name, args.host, args.region, places.account(chosen, args))
    pids = _pythons(inside.directory(chosen, each))
    if not pids:
        raise CommandError(f"no Python process of {args.name} runs")
    worst = 0
    for pid in pids:
        words = [tool, "dump", "--pid", str(pid), *(["--locals"] if args.locals else [])]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        print(done.stdout, end="", flush=True)
        if done.returncode and Path(f"/proc/{pid}").exists():
            print(f"sagebrush: process {pid}: {done.stderr.strip()}", file=sys.stderr)
            worst = 1
    return worst


def _tool() -> str | None:
    """py-spy, next to this Python or on the PATH."""
    beside = Path(sys.executable).with_name(TOOL)
    return str(beside) if beside.exists() else shutil.which(TOOL)


def _pythons(place: Path) -> list[int]:
    """The ids of the job's Python processes, oldest first, without its supervisor's."""
    state = record.read(place, "state.json") or record.read(place, "container.json") or {}
    first = state.get("pid") or 0
    beneath = cgroup.descendants(first) if first else []
    if "shim" not in state:
        beneath = [first, *beneath]
    return sorted(pid for pid in beneath if _python(pid))


def _python(pid: int) -> bool:
    try:
        program = os.readlink(f"/proc/{pid}/exe")
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return os.path.basename(program).startswith("python") and b"main.main()" not in words
