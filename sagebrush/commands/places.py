"""In which regions the resources of a data directory are, and which of them a command means."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sagebrush import services
from sagebrush.commands import beside, running
from sagebrush.commands.running import CommandError, Server
from sagebrush.samples import table
from sagebrush.settings import COMPREHEND, Settings
from sagebrush.store import census

RECORDS = {"scaling-activity", "flywheel-iteration"}
"""Kinds of rows that tell what was done, and are nothing that anyone has."""
TEXT = "comprehend"
"""The service whose resources are listed by operations of another form (`job.comprehend`)."""


@dataclass(frozen=True)
class Place:
    """Where a command looks for a name: in one region, though what there is may be in others."""

    asked: str
    """The region that the user named; "" where it was found."""
    everywhere: Callable[[], Mapping[str, Mapping[str, Any]]]
    """Region -> service -> a client of it, for the regions that have anything which commands list."""


def add_argument(parser: argparse.ArgumentParser) -> None:
    """Adds `--region`, for a name that several regions have."""
    parser.add_argument("--region", default="", help="where it is (default: wherever there is one)")
    add_account(parser)


def add_account(parser: argparse.ArgumentParser) -> None:
    """Adds `--account`; a part of a command leaves what was said before it."""
    words = "an account's id or name (default: the owner's)"
    parser.add_argument("--account", default=argparse.SUPPRESS, metavar="A", help=words)


def server(chosen: Settings, args: argparse.Namespace) -> Server:
    """The running server, whose clients are of the account that was asked for; raises CommandError."""
    found, account = running.require(chosen), getattr(args, "account", "")
    if not account:
        return found
    named = running.account(chosen, found, account)
    return replace(found, account=named["Id"], key=named["AccessKeyId"])


def account(chosen: Settings, args: argparse.Namespace) -> str:
    """The number of the account that was asked for; "" where none was. Raises CommandError."""
    return server(chosen, args).account if getattr(args, "account", "") else ""


def counts(chosen: Settings) -> dict[str, dict[str, int]]:
    """Region -> how many resources of each kind it has, buckets among them but for
    AWS's public ones, of all accounts that users see; those regions that have any.

    Raises CommandError where the server has written nothing yet.
    """
    hidden = services.running().keys() - listed() | RECORDS
    with beside.database(chosen) as stored:
        found = census.resources(stored.read, but=COMPREHEND)
        buckets = census.buckets(stored.read, (table.OWNER, COMPREHEND))
    shown = {
        region: {name: n for name, n in of.items() if name not in hidden}
        for region, of in found.items()
    }
    for region, n in buckets.items():
        shown.setdefault(region, {})["bucket"] = n
    return {region: of for region, of in sorted(shown.items()) if of}


def listed() -> set[str]:
    """The kinds of what runs that the tables of commands show."""
    kinds = services.running().items()
    return {name for name, kind in kinds if kind.listed or kind.service == TEXT}


def regions(chosen: Settings, server: Server) -> list[str]:
    """The server's own region, then the others in which its owner's account has a resource that
    commands list."""
    with beside.database(chosen) as stored:
        found = census.resources(stored.read, server.account)
    others = sorted(region for region, of in found.items() if listed() & of.keys())
    return list(dict.fromkeys([server.region, *others]))


def region_of(
    chosen: Settings,
    server: Server,
    name: str,
    asked: str = "",
    kinds: Sequence[str] | None = None,
) -> str:
    """The region of the resource that a command names: the one `asked` for, else the server's own,
    else the only one that has such a name. Raises CommandError where several have it. `kinds`: of which
    it may be, by default any that can be listed."""
    if asked:
        return asked
    if kinds is None:
        kinds = [name for name, kind in services.running().items() if kind.listed]
    with beside.database(chosen) as stored:
        found = census.regions_of(stored.read, server.account, name, kinds)
    if server.region in found or not found:
        return server.region
    if len(found) > 1:
        raise CommandError(f"{name} is in {' and in '.join(found)}: say which by --region")
    return found[0]


def words(of: dict[str, int]) -> str:
    """The counts of one region: `2 training jobs, 1 model`."""
    return ", ".join(f"{n} {_plural(kind.replace('-', ' '), n)}" for kind, n in sorted(of.items()))


def _plural(word: str, count: int) -> str:
    if count == 1:
        return word
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
