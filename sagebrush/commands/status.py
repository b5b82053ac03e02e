"""`status`: whether a server runs for this data directory, and its state."""

from __future__ import annotations

import argparse
import json
import time

from sagebrush.commands import running


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `status`."""
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Prints the server's state; the exit status is 1 when none answers."""
    chosen = running.settings()
    server = running.find(chosen)
    said = (running.health(chosen, server) or {}) if server else {}
    known = {**running.state(chosen), **said} if server else {}
    if args.json:
        print(json.dumps({"running": bool(said), **known}))
        return 0 if said else 1
    if server is None:
        print(f"not running (data in {chosen.home}); start it with: sagebrush up -d")
        return 1
    print(f"Sagebrush {known.get('version', '')}".strip(), f"at {server.url}, pid {server.pid}")
    print(f"  data       {chosen.home}")
    print(f"  isolation  {known.get('isolation', 'unknown')}")
    if "started" in known:
        print(f"  up for     {running.span(time.time() - float(known['started']))}")
    for warning in known.get("warnings", ()):
        print(f"  ! {warning}")
    if not said:
        print("  ! it does not answer; see: sagebrush logs")
    return 0 if said else 1
