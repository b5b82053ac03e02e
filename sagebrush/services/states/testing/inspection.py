"""What each step of a state's data flow made (`inspectionData`). Pure.

Source: Step Functions API reference, "InspectionData"; which members there are for which state as
recorded (localstack test_state/test_test_state_scenarios, test_state_configuration,
test_state_context_object).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sagebrush.asl import flow, map_runs
from sagebrush.asl.failures import StateError
from sagebrush.asl.machine import State, number
from sagebrush.asl.scope import Scope
from sagebrush.asl.values import write
from sagebrush.errors import Doc
from sagebrush.services.states.map_runs import readers

NOTHING = object()
"""There was no result: the state failed, or makes none."""
ScopeOf = Callable[..., Scope]
"""(the value of `$`, members of `$states`) -> the scope of an evaluation."""


@dataclass
class Inspection:
    """Gathers the members in order, until an evaluation fails."""

    state: State
    text: str
    """The state's input."""
    value: Any
    scope: ScopeOf
    result: Any = NOTHING
    source: str | None = None
    """What an ItemReader would read (`mapItemReaderData`)."""
    items: list[Any] | None = None
    """The items of a Map, once they are known."""
    data: Doc = field(default_factory=dict)

    def made(self) -> Doc:
        """The members, values as JSON texts."""
        self.data["input"] = self.text
        try:
            if self.state.jsonata:
                self._jsonata()
            else:
                self._jsonpath()
        except (StateError, LookupError, readers.Unreadable):
            return self.data
        return self.data

    def _put(self, name: str, value: Any) -> Any:
        self.data[name] = write(value)
        return value

    def _jsonata(self) -> None:
        state = self.state
        scope = self.scope(None, input=self.value)
        if state.type == "Task":
            if state.arguments is not None:
                self._put("afterArguments", state.arguments(scope))
            if self.result is not NOTHING:
                self._put("result", self.result)
        elif state.type == "Map":
            if "Items" in state.values or "ItemReader" in state.doc:
                self.items = self.read_items(scope, self.value)
            self._limits(scope)
            self._selected(scope, self.value)

    def _jsonpath(self) -> None:
        state = self.state
        scope = self.scope(self.value)
        fixed = state.type == "Pass" and "Result" in state.doc
        effective = self.value if state.input is None else state.input(scope)
        if not fixed:
            self._put("afterInputPath", effective)
        inner = self.scope(effective)
        if state.type in ("Task", "Pass", "Parallel") and not fixed:
            given = effective if state.arguments is None else state.arguments(inner)
            self._put("afterParameters", given)
            if state.type == "Pass":
                self._results(given)
        elif fixed:
            self._results(self._put("result", state.doc["Result"]))
        elif state.type == "Map":
            self.items = self.read_items(inner, effective)
            if "ItemReader" not in state.doc:
                self._put("afterItemsPath", self.items)
            self._limits(inner)
            self._selected(inner, effective)
        if state.type in ("Task", "Parallel", "Map") and self.result is not NOTHING:
            if state.type == "Task":
                self._put("result", self.result)
            self._results(self.result)

    def _results(self, result: Any) -> None:
        state = self.state
        selected = result if state.selector is None else state.selector(self.scope(result))
        self._put("afterResultSelector", selected)
        self._put("afterResultPath", flow.placed(state, self.value, selected))

    def read_items(self, scope: Scope, effective: Any) -> Any:
        """The items of a Map: from the data of its reader where it has one, None where that is not
        given. Raises StateError, Unreadable."""
        state, reader = self.state, self.state.doc.get("ItemReader")
        if reader is None:
            return map_runs.items_of(state, scope, effective, pairs=state.distributed)
        if self.source is None:
            return effective if isinstance(effective, list) else None
        config = (map_runs.evaluated(state, reader, "ItemReader", scope) or {}).get("ReaderConfig")
        config = config or {}
        if config.get("InputType") == "MANIFEST" or "ManifestType" in config:
            return None  # what it lists is in other files
        found = list(readers.items([self.source.encode()], config))
        if "ItemsPointer" in config:
            self._put("afterItemsPointer", found)
        return found[: int(config.get("MaxItems") or 0) or None]

    def _selected(self, scope: Scope, effective: Any) -> None:
        """The inputs of iterations, and of child executions where they are batched."""
        state, items = self.state, self.items
        if items is None:
            return
        parts = map_runs.parts(items)
        given = {"input": effective, "context": scope.context(), "variables": scope.variables()}
        spec = {
            "scope": given,
            "batcher": map_runs.evaluated(
                state, state.doc.get("ItemBatcher"), "ItemBatcher", scope
            ),
        }
        items = [
            map_runs.item_input(state, spec, {"Index": at, **part}, scope.now, scope.random)
            for at, part in enumerate(parts)
        ]
        if state.arguments is not None:
            self._put("afterItemSelector", items)
        if spec["batcher"] is not None:
            batches = [each for _, each in map_runs.child_inputs(spec, items)]
            self._put("afterItemBatcher", batches)

    def _limits(self, scope: Scope) -> None:
        """The limits of a Map, by the numbers that they are."""
        self.data["maxConcurrency"] = int(number(self.state, "MaxConcurrency", scope, 0))
        for name in ("ToleratedFailureCount", "ToleratedFailurePercentage"):
            found = number(self.state, name, scope)
            if found is not None:
                member = name[:1].lower() + name[1:]
                self.data[member] = float(found) if "Percentage" in name else int(found)
