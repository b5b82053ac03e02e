"""`down`: the server has ended, its jobs stopped as StopTrainingJob does, or left running."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time

from sagebrush.commands import running
from sagebrush.commands.running import CommandError


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `down`."""
    parser.add_argument(
        "--keep-jobs", action="store_true", help="jobs and endpoints go on without the server"
    )


def run(args: argparse.Namespace) -> int:
    """Asks the server to end and waits until it has ended."""
    chosen = running.settings()
    server = running.find(chosen)
    if server is None:
        print("no server is running")
        return 0
    os.kill(server.pid, signal.SIGUSR1 if args.keep_jobs else signal.SIGTERM)
    wait = 30.0 if args.keep_jobs else chosen.stop_grace + 60.0
    if not ended(server.pid, wait):
        raise CommandError(
            f"the server (pid {server.pid}) still runs after {wait:.0f} s; see `sagebrush logs`"
        )
    print("stopped" + (", jobs go on" if args.keep_jobs else ""))
    return 0


def ended(pid: int, seconds: float) -> bool:
    """Whether the process ended within `seconds`; shows on a terminal what is waited for."""
    started, shown = time.monotonic(), False
    while time.monotonic() - started < seconds:
        if not running.alive(pid):
            return True
        if not shown and time.monotonic() - started > 1:
            shown = True
            print(
                "stopping the server and what it runs (jobs may save their model) …",
                file=sys.stderr,
            )
        time.sleep(0.05)
    return False
