"""`notebook`: opens notebook instances in the browser, lists and stops them, also when idle."""

from __future__ import annotations

import argparse
import contextlib
import socket
import time
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from sagebrush.commands import places, running
from sagebrush.commands.running import CommandError
from sagebrush.engine.idle import DRY_RUN, MINUTES

TYPE = "ml.t3.medium"
LOOK = 0.2
"""Seconds between two looks at an instance that starts or stops."""
MISSING = "RecordNotFound"
"""AWS's whole message about an instance that does not exist."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `notebook`."""
    commands = parser.add_subparsers(dest="what", metavar="open | list | start | stop | rm | idle")
    opened = commands.add_parser("open", help="make or start it if need be, and open the browser")
    opened.add_argument("name", nargs="?", default="notebook", metavar="NAME")
    places.add_argument(opened)
    opened.add_argument("--type", default=TYPE, help=f"instance type of a new one ({TYPE})")
    opened.add_argument("--no-browser", action="store_true", help="print the link only")
    places.add_account(commands.add_parser("list", help="every notebook instance"))
    for name, words in (
        ("start", "start it; its volume is as it was left"),
        ("stop", "stop it; its volume stays"),
        ("rm", "stop it and remove it with its volume"),
    ):
        changed = commands.add_parser(name, help=words)
        changed.add_argument("name", metavar="NAME")
        places.add_argument(changed)
    idle = commands.add_parser(
        "idle", help="stop it by itself when nobody uses it (off by default)"
    )
    idle.add_argument("name", metavar="NAME")
    places.add_argument(idle)
    how = idle.add_mutually_exclusive_group()
    how.add_argument("--minutes", type=float, help="after so many minutes without use")
    how.add_argument("--off", action="store_true", help="never")
    idle.add_argument("--dry-run", action="store_true", help="only log what it would do")


def run(args: argparse.Namespace) -> int:
    """Runs the subcommand; raises CommandError."""
    from botocore.exceptions import ClientError

    chosen = running.settings()
    server = places.server(chosen, args)
    if args.what in (None, "list"):
        found = places.regions(chosen, server)
        return _list({each: running.client(chosen, server, "sagemaker", each) for each in found})
    region = places.region_of(chosen, server, args.name, args.region)
    client = running.client(chosen, server, "sagemaker", region)
    try:
        if args.what == "open":
            return _open(args, f"arn:aws:iam::{server.account}:role/{chosen.role}", client)
        if args.what in ("start", "stop", "rm"):
            return _change(args.what, args.name, client)
        return _idle(args, client)
    except ClientError as error:
        message = error.response["Error"].get("Message", str(error))
        if message == MISSING:
            message = f"there is no notebook {args.name} (sagebrush notebook list)"
        raise CommandError(message) from error


def _open(args: argparse.Namespace, role: str, client: Any) -> int:
    name, began = args.name, time.monotonic()
    there = _find(client, name)
    if there is None:
        client.create_notebook_instance(
            NotebookInstanceName=name, InstanceType=args.type, RoleArn=role
        )
    with _status_line(f"notebook {name}") as show:
        if there is not None and there["NotebookInstanceStatus"] in ("Stopping", "Updating"):
            there = _wait(client, name, show)
        if there is not None and there["NotebookInstanceStatus"] in ("Stopped", "Failed"):
            client.start_notebook_instance(NotebookInstanceName=name)
        found = _wait(client, name, show)
    if found is None or found["NotebookInstanceStatus"] != "InService":
        why = (found or {}).get("FailureReason") or "it was removed meanwhile"
        raise CommandError(
            f"notebook {name} did not start: {why}\n(sagebrush logs notebook {name})"
        )
    took = time.monotonic() - began
    link = client.create_presigned_notebook_instance_url(NotebookInstanceName=name)["AuthorizedUrl"]
    print(f"notebook {name} is in service ({took:.1f} s). The link works once, for five minutes:")
    print(link)
    host = urlsplit(link).hostname or ""
    if not _resolves(host):
        print(
            f"(If your browser cannot find {host}: start the server with"
            " SAGEBRUSH_NOTEBOOK_HOSTS=addresses. Chrome, Edge and Firefox can.)"
        )
    if not args.no_browser and not webbrowser.open(link):
        print("no browser could be started here: open the link yourself")
    return 0


def _resolves(host: str) -> bool:
    """Whether this machine's resolver knows the host."""
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True


def _find(client: Any, name: str) -> dict[str, Any] | None:
    """The instance's description; None when there is none."""
    from botocore.exceptions import ClientError

    try:
        return client.describe_notebook_instance(NotebookInstanceName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationException":
            return None
        raise


def _wait(client: Any, name: str, show: Callable[[str], None]) -> dict[str, Any] | None:
    """The instance once its status is InService, Stopped or Failed; None once it is gone."""
    while True:
        found = _find(client, name)
        if found is None:
            return None
        status = found["NotebookInstanceStatus"]
        if status in ("InService", "Stopped", "Failed"):
            return found
        show(status)
        time.sleep(LOOK)


@contextlib.contextmanager
def _status_line(what: str) -> Iterator[Callable[[str], None]]:
    """A line that says what is waited for, and for how long."""
    from rich.console import Console

    console, began = Console(stderr=True), time.monotonic()
    with console.status(f"{what} …") as line:

        def show(status: str) -> None:
            line.update(f"{what}: {status} ({time.monotonic() - began:.0f} s)")

        yield show


def _list(clients: Mapping[str, Any]) -> int:
    """Prints the instances of each region, whose client `clients` has; where there are several, the
    region too."""
    rows = [
        (region, each)
        for region, client in clients.items()
        for page in client.get_paginator("list_notebook_instances").paginate()
        for each in page["NotebookInstances"]
    ]
    if not rows:
        print("no notebook instances yet: sagebrush notebook open NAME")
        return 0
    width = max(len(row["NotebookInstanceName"]) for _, row in rows)
    for region, row in rows:
        tags = _tags(clients[region], row["NotebookInstanceArn"])
        idle = f"  stops after {tags[MINUTES]} idle minutes" if MINUTES in tags else ""
        where = f"  {region}" if len({each for each, _ in rows}) > 1 else ""
        print(
            f"{row['NotebookInstanceName']:<{width}}  {row['NotebookInstanceStatus']:<10}"
            f"  {row['InstanceType']}{where}{idle}"
        )
    return 0


def _change(what: str, name: str, client: Any) -> int:
    with _status_line(f"notebook {name}") as show:
        if what == "start":
            client.start_notebook_instance(NotebookInstanceName=name)
        else:
            found = _find(client, name)
            if (
                what == "rm"
                and found
                and found["NotebookInstanceStatus"] in ("Stopping", "Updating")
            ):
                found = _wait(client, name, show)
            runs = found and found["NotebookInstanceStatus"] in ("InService", "Pending")
            if what == "stop" or runs:
                client.stop_notebook_instance(NotebookInstanceName=name)
                found = _wait(client, name, show)
            if what == "rm":
                client.delete_notebook_instance(NotebookInstanceName=name)
        found = _wait(client, name, show)
    status = found["NotebookInstanceStatus"] if found else "gone"
    if found and status == "Failed":
        raise CommandError(f"notebook {name} failed: {found.get('FailureReason', '')}")
    print(f"notebook {name}: {status}")
    return 0


def _tags(client: Any, arn: str) -> dict[str, str]:
    pages = client.get_paginator("list_tags").paginate(ResourceArn=arn)
    return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}


def _idle(args: argparse.Namespace, client: Any) -> int:
    found = client.describe_notebook_instance(NotebookInstanceName=args.name)
    arn = found["NotebookInstanceArn"]
    if args.off:
        client.delete_tags(ResourceArn=arn, TagKeys=[MINUTES, DRY_RUN])
    elif args.minutes is not None:
        if not 0 < args.minutes < float("inf"):  # NaN included
            raise CommandError("--minutes must be more than 0 (--off switches it off)")
        tags = {MINUTES: f"{args.minutes:g}", DRY_RUN: str(args.dry_run).lower()}
        client.add_tags(ResourceArn=arn, Tags=[{"Key": k, "Value": v} for k, v in tags.items()])
    elif args.dry_run:
        raise CommandError("--dry-run goes with --minutes")
    tags = _tags(client, arn)
    if MINUTES not in tags:
        print(f"notebook {args.name} runs until it is stopped")
        return 0
    dry = tags.get(DRY_RUN) == "true"
    print(
        f"notebook {args.name} {'would be' if dry else 'is'} stopped after {tags[MINUTES]} minutes"
        " without a busy kernel, a program in a terminal or a request"
        + (" (dry run: it only says so)" if dry else "")
    )
    print(f"what it decides is in its log: sagebrush logs notebook {args.name}")
    return 0
