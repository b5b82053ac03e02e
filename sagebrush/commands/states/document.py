"""A tree of states as one JSON document: what `--json` prints, and what a page shows. Pure."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sagebrush.commands.states import works
from sagebrush.commands.states.tree import Line, Tree, Visit

Doc = dict[str, Any]


def document(found: Tree) -> Doc:
    """The execution and its states; times are ISO 8601 in UTC, what is not known is left out."""
    return _known(
        {
            "status": found.status,
            "started": moment(found.started),
            "ended": moment(found.ended),
            "seconds": _between(found.started, found.ended),
            "input": found.input or None,
            "output": found.output,
            "error": found.error,
            "cause": found.cause,
            "states": [state(visit) for visit in found.root.visits],
        }
    )


def state(visit: Visit) -> Doc:
    """One visit of a state, and the branches or items within it."""
    work = works.work(visit)
    parts = "items" if visit.type == "Map" else "branches"
    return _known(
        {
            "name": visit.name,
            "type": visit.type,
            "status": visit.status,
            "entered": moment(visit.entered),
            "ended": moment(visit.ended),
            "seconds": _between(visit.entered, visit.ended),
            "tries": visit.tries,
            "work": None if work is None else _known({"kind": work.kind, "name": work.name}),
            "input": visit.input or None,
            "output": visit.output,
            "error": visit.error,
            "cause": visit.cause,
            "length": visit.length,
            "mapRunArn": visit.map_run or None,
            parts: [_part(each) for _, each in sorted(visit.lines.items())] or None,
        }
    )


def _part(line: Line) -> Doc:
    states = [state(visit) for visit in line.visits]
    return {"index": line.index, "status": line.status, "states": states}


def moment(seconds: float | None) -> str | None:
    """A time in ISO 8601, with milliseconds."""
    if seconds is None:
        return None
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds")


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(end - start, 3)


def _known(given: Doc) -> Doc:
    return {name: value for name, value in given.items() if value is not None}
