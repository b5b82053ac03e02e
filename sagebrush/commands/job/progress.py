"""How far a transform job is: what the drivers of its instances say, in their directories."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from sagebrush.companion.transform import journal, run
from sagebrush.engine.running import Live
from sagebrush.settings import Settings

COUNTS = ("objects", "done", "failed", "records")


def told(chosen: Settings, instances: Iterable[Live]) -> str:
    """`12 of 40 objects, 3,400 records` of all instances together; "" where none says anything."""
    found = [said for each in instances if (said := _said(chosen, each.key))]
    if not found:
        return ""
    objects, done, failed, records = (sum(said.get(name, 0) for said in found) for name in COUNTS)
    parts = [f"{done} of {objects} objects", f"{records:,} records"]
    return ", ".join([*parts, f"{failed} objects failed"] if failed else parts)


def _said(chosen: Settings, key: str) -> Mapping[str, int]:
    path = chosen.home / "jobs" / f"{key}{journal.SUFFIX}" / run.FOLDER / journal.PROGRESS
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
