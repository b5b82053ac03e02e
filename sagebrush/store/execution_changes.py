"""What a step of an execution changes in the database: made outside of the transaction, stored within."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any

from sagebrush.asl.steps import (
    CancelTimer,
    Happened,
    MapRunEnded,
    SetTimer,
    StartMapRun,
    StartTask,
    Step,
    TaskFailed,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    TimerFired,
)
from sagebrush.store.db import Tx
from sagebrush.store.execution_values import Order, Run

NOTE = "UPDATE work SET note=? WHERE execution=? AND key=?"
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True)
class Change:
    """A step as it is stored; `change_of` makes it outside of the transaction."""

    execution: int
    position: str | None
    """None once it has ended and cannot be redriven."""
    more: bool
    history: tuple[int, int, str] | None
    timers: tuple[tuple[str, float], ...]
    cancelled: tuple[str, ...]
    orders: tuple[tuple[str, str | None, str], ...]
    """Key, token, command."""
    stops: tuple[str, ...]
    done: str | None
    """The key of work of which the end is known by what happened."""
    started: str | None
    noted: tuple[str, int, str] | None
    """Note, execution and key of work that was submitted."""
    dropped: tuple[str, ...]
    pages: tuple[tuple[str, str], ...]
    end: tuple[Any, ...] | None
    """Status, time, last event, output, error, cause."""


def change_of(run: Run, happened: Happened, step: Step, recorded: bool) -> Change:
    """What a step changes. `recorded`: whether the history is kept."""
    timers: dict[str, float] = {}
    cancelled = [happened.key] if isinstance(happened, TimerFired) else []
    orders: dict[str, tuple[str, str | None, str]] = {}
    stops = []
    for command in step.commands:
        if isinstance(command, SetTimer):
            timers[command.key] = command.at
        elif isinstance(command, CancelTimer):
            timers.pop(command.key, None)
            cancelled.append(command.key)
        elif isinstance(command, StartTask | StartMapRun):
            token = command.token if isinstance(command, StartTask) else None
            orders[command.key] = (command.key, token, _command(command))
        elif orders.pop(command.key, None) is None:  # else ordered and stopped in one step
            stops.append(command.key)
    events, end = step.events, step.end
    ended = isinstance(happened, TaskSucceeded | TaskFailed | MapRunEnded)
    return Change(
        run.id,
        None if end and "failed" not in step.position else _encode(step.position),
        step.more,
        (events[0]["id"], events[-1]["id"], _encode(events)) if events and recorded else None,
        tuple(timers.items()),
        tuple(cancelled),
        tuple(orders.values()),
        tuple(stops),
        happened.key if ended else None,
        happened.key if isinstance(happened, TaskStarted) else None,
        (_encode(happened.note), run.id, happened.key) if isinstance(happened, TaskSubmitted) else None,
        tuple(step.dropped),
        tuple((key, _encode(value)) for key, value in step.pages.items()),
        end
        and (
            end.status, events[-1]["timestamp"], step.position["events"], storable(end.output), storable(end.error),
            storable(end.cause),
        ),
    )  # fmt: skip


def storable(text: str | None) -> str | None:
    """The text; half a pair of surrogates, which no UTF-8 has, is a `?`, as Java writes it."""
    if text is None or text.isascii():
        return text
    return text.encode(errors="replace").decode()


def _command(order: Order) -> str:
    members = {member.name: getattr(order, member.name) for member in fields(order)}
    return _encode({"name": type(order).__name__, **members})


def apply(tx: Tx, change: Change) -> None:
    """The step is stored. Raises sqlite3.IntegrityError where the execution is gone."""
    at = change.execution
    if change.history:
        first, last, events = change.history
        tx.run("INSERT INTO history VALUES(?, ?, ?, ?)", (at, first, last, events))
    for key in change.cancelled:
        tx.run("DELETE FROM timer WHERE execution=? AND key=?", (at, key))
    if change.done is not None:
        tx.run("DELETE FROM work WHERE execution=? AND key=?", (at, change.done))
    if change.started is not None:
        sql = "UPDATE work SET started=1 WHERE execution=? AND key=?"
        tx.run(sql, (at, change.started))
    if change.noted is not None:
        tx.run(NOTE, change.noted)
    for key in change.stops:
        tx.run("UPDATE work SET stopping=1, token=NULL WHERE execution=? AND key=?", (at, key))
    if change.end is not None:
        _end(tx, at, change.end)
    if change.position is None:
        tx.run("DELETE FROM position WHERE execution=?", (at,))
        tx.run("DELETE FROM page WHERE execution=?", (at,))
        return
    for prefix in change.dropped:
        sql = "DELETE FROM page WHERE execution=? AND key>=? AND key<?"
        tx.run(sql, (at, prefix, prefix + "\U0010ffff"))
    for key, body in change.pages:
        tx.run("INSERT OR REPLACE INTO page VALUES(?, ?, ?)", (at, key, body))
    sql = "INSERT OR REPLACE INTO position VALUES(?, ?, ?)"
    tx.run(sql, (at, change.more, change.position))
    for key, due in change.timers:
        tx.run("INSERT OR REPLACE INTO timer VALUES(?, ?, ?)", (at, key, due))
    for key, token, command in change.orders:
        sql = "INSERT INTO work(execution, key, token, command) VALUES(?, ?, ?, ?)"
        tx.run(sql, (at, key, token, command))


def _end(tx: Tx, execution: int, end: tuple[Any, ...]) -> None:
    """The execution has ended: no timer is left of it, and of work only what is to be stopped."""
    status, now, events, output, error, cause = end
    tx.run(
        "UPDATE execution SET status=?, stopped=?, events=?, output=?, error=?, cause=? WHERE id=?",
        (status, now, events, output, error, cause, execution),
    )
    tx.run("DELETE FROM timer WHERE execution=?", (execution,))
    tx.run("DELETE FROM work WHERE execution=? AND NOT stopping", (execution,))
