"""A World that has executions and nothing else, with a clock that is set and work that is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from sagebrush.engine.executions import Executing
from sagebrush.errors import Doc
from sagebrush.services.states.doer import Doer
from sagebrush.services.states.port import StatesPort
from sagebrush.services.states.program import KIND
from sagebrush.store.db import Db
from sagebrush.store.events import Events, Interest
from sagebrush.store.execution_values import New, Run, Work
from sagebrush.store.executions import Executions
from sagebrush.store.rows import Rows
from sagebrush.store.series import Series
from sagebrush.store.streams import Streams
from sagebrush.world import World

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:m"
ROLE = "arn:aws:iam::123456789012:role/states"


class RecordedDoer(Doer):
    """Work that a test ends."""

    def __init__(self) -> None:
        self.begun: list[tuple[Run, Work, bool]] = []
        self.stops: list[tuple[Run, Work]] = []

    def begin(self, run: Run, work: Work, again: bool) -> None:
        self.begun.append((run, work, again))

    def stop(self, run: Run, work: Work) -> None:
        self.stops.append((run, work))


class ExecutionWorld:
    """The store and the engine over one database file; `open` again is a restart."""

    def __init__(self, home: Path, doer: type[RecordedDoer] = RecordedDoer) -> None:
        self.home = home
        self._doer = doer
        self.now = 1_000_000.0
        self.open()

    def open(self) -> None:
        self.doer = self._doer()
        self.db = Db(self.home / "db.sqlite")
        self.executions = Executions(self.db, self.clock)
        self.world = cast(
            World,
            SimpleNamespace(
                db=self.db,
                clock=self.clock,
                executions=self.executions,
                rows=Rows(self.db, self.clock),
                series=Series(self.db),
                streams=Streams(self.db, self.clock),
                events=Events(self.db, self.clock, {}, Interest()),
            ),
        )
        families = ("Task", "LambdaFunction", "Activity", "MapRun")
        port = StatesPort(self.world, dict.fromkeys(families, self.doer))
        self.executing = self.world.executing = Executing(self.world, {KIND: port})
        self.executing.start()

    def clock(self) -> float:
        return self.now

    def close(self) -> None:
        self.executing.stop()
        self.db.close()

    def start(self, name: str, definition: Doc, given: Any = None, **plan: Any) -> Run:
        """An execution of the definition, begun."""
        arn = f"{MACHINE.replace(':stateMachine:', ':execution:')}:{name}"
        plan = {"role": ROLE, "machine": MACHINE, "type": "STANDARD", **plan}
        text = json.dumps(given if given is not None else {})
        new = New(KIND, arn, MACHINE, name, json.dumps(definition), text, plan)
        return self.executing.begin(new).result(10)[0]

    def ended(self, run: Run) -> Run:
        """The execution once it has ended."""
        return self.executing.ended(run.arn).result(10)

    def settled(self) -> None:
        """All that was reported is stored and told."""
        self.executing.settle(10)

    def types(self, run: Run) -> list[str]:
        return [event["type"] for event in self.executions.history(run.id, 1, 25_000, False)]
