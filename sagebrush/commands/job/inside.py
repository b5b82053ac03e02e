"""The live process trees of a data directory, for commands that look into them."""

from __future__ import annotations

from pathlib import Path

from sagebrush import services
from sagebrush.commands import beside
from sagebrush.commands.running import CommandError
from sagebrush.compute import record
from sagebrush.compute.base import Limits, Spec
from sagebrush.engine.running import Live, live
from sagebrush.settings import Settings
from sagebrush.store.rows import Reader


def everything(chosen: Settings) -> list[Live]:
    """All that holds capacity now."""
    with beside.database(chosen) as stored:
        return live(Reader(stored.read), services.running())


def directory(chosen: Settings, each: Live) -> Path:
    """Where the instance's files are."""
    return chosen.home / "jobs" / each.key


def find(chosen: Settings, name: str, host: str = "", region: str = "", account: str = "") -> Live:
    """The live instance of that resource: the named one (`algo-2`), or the first.

    Raises CommandError when there is none, or one in several regions or accounts and none was chosen.
    """
    mine = [
        each
        for each in everything(chosen)
        if each.name == name and region in ("", each.region) and account in ("", each.account)
    ]
    regions = sorted({each.region for each in mine})
    if len(regions) > 1:
        raise CommandError(f"{name} is in {' and in '.join(regions)}: say which by --region")
    if len(accounts := sorted({each.account for each in mine})) > 1:
        raise CommandError(f"{name} is in {' and in '.join(accounts)}: say which by --account")
    if not mine:
        raise CommandError(f"{name} does not run (sagebrush jobs)")
    mine = [each for each in mine if each.kind == mine[0].kind]
    running = [
        each for each in mine if record.held(directory(chosen, each)) or _contained(each, chosen)
    ]
    chosen_ones = [each for each in mine if host in ("", each.host)]
    if not chosen_ones:
        hosts = ", ".join(each.host for each in mine)
        raise CommandError(f"{name} has no {host}, but {hosts}")
    found = next((each for each in chosen_ones if each in running), None)
    if found is None:
        raise CommandError(f"{name} does not run yet: it is being prepared (sagebrush jobs)")
    return found


def _contained(each: Live, chosen: Settings) -> bool:
    """Whether it runs in a container of the host's engine."""
    place = directory(chosen, each)
    return (place / "container.json").exists() and not (place / "exit.json").exists()


def spec(place: Path) -> Spec | None:
    """What was launched there; None when nothing was."""
    found = record.read(place, "spec.json")
    return record.from_json(found["spec"]) if found else None


def limits(place: Path) -> Limits | None:
    """What the instance there may use; None when nothing was launched."""
    found = spec(place)
    return found.limits if found else None
