"""An execution that did not succeed goes on from the states that were not successful.

When nothing catches a failure, the position before its unwinding is kept under `failed`, with the
pages that it needs; a redrive goes on from it: lines that ended stay ended, and the others do what
their states do again, without being entered again. Source: developer guide, "Restarting state machine
executions with redrive" ("Redrive behavior of individual states").
"""

from __future__ import annotations

from collections.abc import Iterator

from sagebrush.asl.steps import SetTimer
from sagebrush.asl.turn import Line, Turn, copied


def remember(turn: Turn) -> None:
    """A failure that may end the execution is about to be unwound."""
    if turn.execution.standard and turn.before is None:
        turn.before = (
            copied(turn.position["root"]),
            dict(turn.values.made),
            len(turn.values.dropped),
        )


def keep(turn: Turn) -> bool:
    """What a redrive needs is in the position, as the execution ends; False where none is possible."""
    assert turn.end is not None
    if not turn.execution.standard or turn.end.status == "SUCCEEDED":
        return False
    remember(turn)
    assert turn.before is not None
    root, pages, dropped = turn.before
    turn.values.made = pages
    del turn.values.dropped[dropped:]
    turn.position = {**turn.position, "failed": root}
    return True


def restore(turn: Turn, timer: str) -> list[Line]:
    """The execution runs again; the lines whose states are to do their work again."""
    turn.position["root"] = copied(turn.position.pop("failed"))
    details = {"redriveCount": turn.execution.redrives}
    last = turn.position["events"]
    event = turn.emit("ExecutionRedriven", last, "executionRedrivenEventDetails", details)
    timeout = turn.execution.machine.timeout
    if timeout is not None:
        turn.commands.append(SetTimer(timer, turn.now + timeout))
    found = list(_unfinished(turn, turn.root()))
    again = []
    for line in found:
        frame = line.frame
        for name in ("wait", "retries", "retried"):
            frame.pop(name, None)
        frame["previous"] = event
        if "entered" in frame:
            again.append(line)
        else:
            turn.ready.append(line.path)
    return again


def _unfinished(turn: Turn, line: Line) -> Iterator[Line]:
    """The innermost lines that have not ended; what is around them awaits them again."""
    frame = line.frame
    if "branches" in frame:
        parts = [str(at) for at, each in enumerate(frame["branches"]) if "output" not in each]
        frame["wait"] = {"branches": len(parts)}
    elif "map" in frame:
        parts = list(frame["map"]["running"])
        frame["wait"] = {"map": frame["map"]["key"]}
    else:
        yield line
        return
    for part in parts:
        child = turn.child(line, part)
        assert child is not None
        yield from _unfinished(turn, child)
