"""Executions that have something to do, or whose position is in memory: what happened to each, in order."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from sagebrush.asl.steps import Happened, Step
from sagebrush.errors import Doc
from sagebrush.store.execution_values import RUNNING, Run

KEPT = 2_000
"""Executions at most whose position stays in memory while they wait."""
SMALL = 32_768
"""Characters of a position that stays in memory."""


@dataclass
class Item:
    """Something that happened, and who waits for the step."""

    happened: Happened
    future: Future[bool]
    insists: bool
    generation: int


@dataclass
class Live:
    """An execution that has something to do, or whose position is in memory."""

    id: int
    run: Run | None = None
    program: Any = None
    position: Doc | None = None
    size: int = 0
    inbox: deque[Item] = field(default_factory=deque)
    busy: bool = False
    stored: tuple[Item, Step] | None = None
    """The step that has just been committed, to be told."""


class Lives:
    """All of them, by id. Thread-safe; only the thread whose turn it is changes what else a `Live`
    has than its inbox and whether it is busy."""

    def __init__(self) -> None:
        self._lives: dict[int, Live] = {}
        self._guard = threading.Lock()
        """Held for a moment."""

    def add(self, run: Run) -> None:
        """The execution, which is about to begin, is there with its run."""
        with self._guard:
            self._lives.setdefault(run.id, Live(run.id, run))

    def receive(self, execution: int, item: Item) -> Live | None:
        """The item is the last in the execution's inbox; answers the execution where nobody has it in
        turn, and it is busy from now on."""
        with self._guard:
            live = self._lives.setdefault(execution, Live(execution))
            live.inbox.append(item)
            if live.busy:
                return None
            live.busy = True
            return live

    def before(self, live: Live, item: Item) -> None:
        """The item comes before what has happened since."""
        with self._guard:
            live.inbox.appendleft(item)

    def first(self, live: Live) -> Item | None:
        """What is to be done next; without anything the execution is not busy any more, and forgotten
        where its position is not to stay in memory."""
        with self._guard:
            if live.inbox:
                return live.inbox[0]
            live.busy = False
            running = live.run is not None and live.run.status == RUNNING
            if not running or live.size > SMALL or len(self._lives) > KEPT:
                self._lives.pop(live.id, None)
            return None

    def done(self, live: Live) -> None:
        """The first item is done."""
        with self._guard:
            live.inbox.popleft()

    def has(self, live: Live) -> bool:
        """Whether the execution was not forgotten."""
        with self._guard:
            return self._lives.get(live.id) is live

    def drop(self, live: Live) -> deque[Item]:
        """The execution is forgotten; what was not done."""
        with self._guard:
            if self._lives.get(live.id) is live:
                del self._lives[live.id]
            items, live.inbox = live.inbox, deque()
            live.busy = False
            return items

    def clear(self) -> list[Live]:
        """None is left; those that were there."""
        with self._guard:
            lives, self._lives = list(self._lives.values()), {}
            return lives

    def busy(self) -> bool:
        """Whether any has something to do."""
        with self._guard:
            return any(live.busy for live in self._lives.values())
