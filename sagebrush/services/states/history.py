"""GetExecutionHistory.

Source: API reference, "GetExecutionHistory"; what is left out without execution data as in logs
(recorded, localstack test_logs).
"""

from __future__ import annotations

from itertools import islice

from sagebrush.errors import Doc
from sagebrush.services.states import tokens
from sagebrush.services.states.executions import run_of
from sagebrush.world import Ctx

DATA = frozenset(
    {
        "input", "inputDetails", "output", "outputDetails", "parameters", "assignedVariables",
        "assignedVariablesDetails",
    }
)  # fmt: skip
"""Members of details that are execution data."""
LARGEST = 4 << 20
"""Characters of data after which a page ends; AWS pages by size, too."""


def get_execution_history(ctx: Ctx, request: Doc) -> Doc:
    """The events, oldest first or latest first. Raises InvalidArn, InvalidToken,
    ExecutionDoesNotExist."""
    run = run_of(ctx, request["executionArn"])
    place = tokens.read(request, int, bool)
    backwards = bool(request.get("reverseOrder"))
    if place is not None and place[1] is not backwards:
        raise tokens.invalid()
    most = tokens.size(request)
    first, last = 1, 1 << 60
    if place is not None:
        first, last = (1, place[0]) if backwards else (place[0], last)
    found = ctx.world.executions.history(run.id, first, last, backwards)
    included = request.get("includeExecutionData", True)
    events: list[Doc] = []
    size, more = 0, None
    for event in islice(found, most + 1):
        if len(events) == most or size > LARGEST:
            more = event["id"]
            break
        shown = event if included else without_data(event)
        size += _size(shown)
        events.append(shown)
    answer: Doc = {"events": events}
    if more is not None:
        answer["nextToken"] = tokens.write([more, backwards])
    return answer


def _size(event: Doc) -> int:
    """About how many characters the event has."""
    details = (value for value in event.values() if isinstance(value, dict))
    texts = (v for each in details for v in each.values() if isinstance(v, str))
    return 200 + sum(map(len, texts))


def without_data(event: Doc) -> Doc:
    """The event without inputs, outputs and variables."""
    return {
        name: {k: v for k, v in value.items() if k not in DATA}
        if isinstance(value, dict)
        else value
        for name, value in event.items()
    }
