"""`status`: whether a server runs for this data directory, and its state."""

from __future__ import annotations

import argparse
import json
import time

from sagebrush.commands import places, running
from sagebrush.commands.running import CommandError
from sagebrush.settings import Settings


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
        print(json.dumps({"running": bool(said), **known, "regions": _counts(chosen)}))
        return 0 if said else 1
    if server is None:
        print(f"not running (data in {chosen.home}); start it with: sagebrush up -d")
        return 1
    print(f"Sagebrush {known.get('version', '')}".strip(), f"at {server.url}, pid {server.pid}")
    print(f"  data       {chosen.home}")
    print(f"  isolation  {known.get('isolation', 'unknown')}")
    if "started" in known:
        print(f"  up for     {running.span(time.time() - float(known['started']))}")
    width = max(9, *map(len, found), 0) if (found := _counts(chosen)) else 0
    for region, of in found.items():
        print(f"  {region:<{width}}  {places.words(of)}")
    for warning in known.get("warnings", ()):
        print(f"  ! {warning}")
    if not said:
        print("  ! it does not answer; see: sagebrush logs")
    return 0 if said else 1


def _counts(chosen: Settings) -> dict[str, dict[str, int]]:
    """Region -> how many resources of each kind it has; {} before a server has written anything."""
    try:
        return places.counts(chosen)
    except CommandError:
        return {}
