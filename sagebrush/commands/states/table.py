"""`states list`: state machines, and the latest executions of each."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from sagebrush.commands import places, running
from sagebrush.commands.job.named import moment
from sagebrush.commands.states import named
from sagebrush.commands.states.lines import lasted
from sagebrush.commands.states.named import Doc
from sagebrush.commands.states.tree import seconds

HEADER = ("EXECUTION", "STATUS", "STARTED", "TOOK")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `states list`."""
    parser.add_argument("machine", nargs="?", default="", help="only this one (default: all)")
    parser.add_argument("-n", type=int, default=5, help="executions of each machine (default 5)")
    parser.add_argument("--json", action="store_true", help="as one JSON array")
    places.add_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the machines of every region, each with its executions, newest first."""
    chosen = running.settings()
    server = places.server(chosen, args)
    asked = [args.region] if args.region else named.regions(chosen, server)
    clients = {each: running.client(chosen, server, named.SERVICE, each) for each in asked}
    found: list[dict[str, Any]] = []
    with named.told():
        for region, client in clients.items():
            for machine in named.machines(client):
                if args.machine in ("", machine["name"], machine["stateMachineArn"]):
                    runs = named.executions(client, machine["stateMachineArn"], args.n)
                    found.append({"region": region, "machine": machine, "executions": runs})
        if args.machine and not found:
            raise running.CommandError(named.unknown(clients, args.machine, args.region))
    if args.json:
        print(json.dumps(found, indent=2, default=lambda when: when.isoformat()))
        return 0
    for line in told(found, time.time()) or ["no state machines yet"]:
        print(line)
    return 0


def told(found: list[dict[str, Any]], now: float) -> list[str]:
    """A line for each machine, and a table of its executions below it."""
    several = len({each["region"] for each in found}) > 1
    table = [HEADER, *(row(one, now) for each in found for one in each["executions"])]
    heads, *rest = running.columns(table)
    made = [f"  {heads}"] if rest else []
    for each in found:
        machine = each["machine"]
        where = f", {each['region']}" if several else ""
        kind = machine.get("type", "STANDARD").lower()
        made.append(f"{machine['name']} ({kind}{where})")
        count = len(each["executions"])
        if not count:
            express = kind == "express"
            made.append("  its log group tells of executions" if express else "  not executed yet")
        made += [f"  {line}" for line in rest[:count]]
        rest = rest[count:]
    return made


def row(execution: Doc, now: float) -> tuple[str, str, str, str]:
    """One execution: its name, status, start and time."""
    start = execution["startDate"]
    stop = execution.get("stopDate")
    took = lasted((seconds(stop) if stop else now) - seconds(start))
    return execution["name"], execution["status"], moment(start), took
