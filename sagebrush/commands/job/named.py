"""A resource of any kind that runs something, found by its name; what is said of a name that none has."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from sagebrush import services
from sagebrush.commands import places, running
from sagebrush.commands.running import CommandError, Server
from sagebrush.facts import Running
from sagebrush.settings import Settings

ABSENT = ("ValidationException", "ResourceNotFound", "ResourceNotFoundException")
"""The codes of SageMaker's Describe operations for a name that does not exist, or cannot."""
SHOWN = 10
"""How many of what exists are shown for an unknown name."""
SEARCHED = 200
"""How many of each kind, newest first, are compared with an unknown name."""


@dataclass(frozen=True)
class Found:
    """A resource: its kind, its name and its description."""

    kind: Running
    name: str
    doc: Mapping[str, Any]


@dataclass(frozen=True)
class Present:
    """A resource as its list shows it."""

    kind: Running
    name: str
    status: str
    created: dt.datetime
    region: str = ""


def listed(kinds: Mapping[str, Running]) -> list[Running]:
    """The kinds that can be listed: first those that end without being stopped."""
    found = [kind for kind in kinds.values() if kind.listed]
    return sorted(found, key=lambda kind: (not kind.ended, kind.label))


def words(kind: Running) -> set[str]:
    """What a user may call the kind: `job`, `training`, `training-job`."""
    bare = kind.kind.removesuffix("-job").removesuffix("-instance")
    return {kind.label, kind.kind, bare}


def of_word(word: str) -> Running | None:
    """The listed kind that a user calls so; None for no kind."""
    return next((kind for kind in listed(services.running()) if word in words(kind)), None)


def clients(
    chosen: Settings, server: Server, kinds: Sequence[Running], region: str
) -> dict[str, Any]:
    """Service -> a client of it in the region, for the services of the kinds."""
    services = {kind.service for kind in kinds}
    return {name: running.client(chosen, server, name, region) for name in services}


def look(clients: Mapping[str, Any], kinds: Sequence[Running], name: str) -> list[Found]:
    """The resources of that name, at most one of each kind; raises CommandError for another error
    than that there is none."""
    found = []
    for kind in kinds:
        try:
            doc = running.describe(clients[kind.service], kind, name)
        except ClientError as error:
            if error.response["Error"].get("Code") in ABSENT:
                continue
            raise CommandError(error.response["Error"].get("Message", str(error))) from error
        found.append(Found(kind, name, doc))
    return found


def place(chosen: Settings, server: Server, kinds: Sequence[Running], asked: str) -> places.Place:
    """What a command says of an unknown name comes from all regions."""
    return places.Place(
        asked,
        lambda: {
            region: clients(chosen, server, kinds, region)
            for region in places.regions(chosen, server)
        },
    )


def one(
    clients: Mapping[str, Any],
    kinds: Sequence[Running],
    name: str,
    command: str,
    place: places.Place,
) -> Found:
    """The only resource of that name; raises CommandError where there is none, or where there are
    several: then it says by which `command` each is meant."""
    found = look(clients, kinds, name)
    if len(found) == 1:
        return found[0]
    if found:
        ways = "\n".join(f"  sagebrush {command} {each.kind.label} {name}" for each in found)
        raise CommandError(f"{len(found)} are named {name}; say which:\n{ways}")
    raise CommandError(unknown(kinds, name, place))


def unknown(kinds: Sequence[Running], name: str, place: places.Place) -> str:
    """What is said of a name that no resource of the kinds has: the names nearest to it, and what
    there is, newest first."""
    what = kinds[0].label if len(kinds) == 1 else "job, endpoint or notebook"
    said = [f"there is no {what} named {name}{f' in {place.asked}' if place.asked else ''}"]
    there = everything(kinds, place)
    if not there:
        return f"{said[0]}, and none at all yet"
    names = {each.name: each for each in there}
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    near += [each for each in names if name in each and each not in near][: 3 - len(near)]
    if near:
        said[0] += f"; near it: {', '.join(near)}"
    return "\n".join([*said, *newest(there)])


def everything(kinds: Sequence[Running], place: places.Place) -> list[Present]:
    """The resources of the kinds in every region, up to SEARCHED of each in each."""
    return [
        replace(each, region=region)
        for region, clients in place.everywhere().items()
        for kind in kinds
        for each in present(clients[kind.service], kind, SEARCHED)
    ]


def newest(there: Sequence[Present]) -> list[str]:
    """Lines that show what there is, newest first; none where there is nothing."""
    if not there:
        return []
    chosen = sorted(there, key=lambda each: each.created, reverse=True)[:SHOWN]
    several = len({each.region for each in chosen}) > 1
    rows = [
        (
            each.kind.label,
            *((each.region,) if several else ()),
            *(each.name, each.status, moment(each.created)),
        )
        for each in chosen
    ]
    more = f" (the newest {SHOWN} of {len(there)})" if len(there) > SHOWN else ""
    return [f"What there is{more}:", *(f"  {row}" for row in running.columns(rows))]


def present(client: Any, kind: Running, count: int) -> list[Present]:
    """Up to `count` resources of the kind, newest first."""
    return [
        Present(kind, each[kind.id_member], each[kind.status_member], each["CreationTime"])
        for each in summaries(client, kind, count)
    ]


def summaries(client: Any, kind: Running, count: int) -> list[dict[str, Any]]:
    """Up to `count` summaries of List<noun>s, newest first."""
    pages = client.get_paginator(xform_name(f"List{kind.noun}s")).paginate(
        SortBy="CreationTime", SortOrder="Descending", PaginationConfig={"MaxItems": count}
    )
    return [summary for page in pages for summary in page[kind.listed]]


def moment(when: dt.datetime) -> str:
    """A time as commands print it, in the user's time zone."""
    return f"{when.astimezone():%Y-%m-%d %H:%M:%S}"
