"""In which regions the resources of a data directory are, and which of them a command means."""

from __future__ import annotations

import argparse

from sagebrush import services
from sagebrush.commands import beside
from sagebrush.commands.running import CommandError, Server
from sagebrush.settings import Settings
from sagebrush.store import census


def add_argument(parser: argparse.ArgumentParser) -> None:
    """Adds `--region`, for a name that several regions have."""
    parser.add_argument("--region", default="", help="where it is (default: wherever there is one)")


def counts(chosen: Settings) -> dict[str, dict[str, int]]:
    """Region -> how many resources of each kind it has, buckets among them; those that have any.

    Raises CommandError where the server has written nothing yet.
    """
    kinds = services.running()
    hidden = {name for name, kind in kinds.items() if not kind.listed}
    with beside.database(chosen) as stored:
        found, buckets = census.resources(stored.read), census.buckets(stored.read)
    shown = {
        region: {name: n for name, n in of.items() if name not in hidden}
        for region, of in found.items()
    }
    for region, n in buckets.items():
        shown.setdefault(region, {})["bucket"] = n
    return {region: of for region, of in sorted(shown.items()) if of}


def regions(chosen: Settings, server: Server) -> list[str]:
    """The server's own region, then the others that have a resource which commands list."""
    listed = {name for name, kind in services.running().items() if kind.listed}
    with beside.database(chosen) as stored:
        found = census.resources(stored.read)
    others = sorted(region for region, of in found.items() if listed & of.keys())
    return list(dict.fromkeys([server.region, *others]))


def region_of(chosen: Settings, server: Server, name: str, asked: str = "") -> str:
    """The region of the resource that a command names: the one `asked` for, else the server's own,
    else the only one that has such a name. Raises CommandError where several have it."""
    if asked:
        return asked
    listed = [name for name, kind in services.running().items() if kind.listed]
    with beside.database(chosen) as stored:
        found = census.regions_of(stored.read, name, listed)
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
