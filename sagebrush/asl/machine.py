"""A definition, read once into states whose fields are functions; only valid ones are given here.

`validation.read_machine` checks a definition before it is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sagebrush.asl import expressions, templates
from sagebrush.asl.choice import read_rule
from sagebrush.asl.expressions import inside, is_expression
from sagebrush.asl.failures import RUNTIME, StateError
from sagebrush.asl.intrinsics import Evaluate
from sagebrush.asl.jsonpath import Path, read_path
from sagebrush.asl.scope import Scope
from sagebrush.asl.values import is_number, type_of, write
from sagebrush.errors import Doc

JSONATA = "JSONata"
Assignments = tuple[tuple[str, Evaluate], ...]


@dataclass(frozen=True)
class Outcome:
    """Where a state goes on, and what is made of its data on the way."""

    next: str | None
    """The next state; None ends the machine."""
    assign: Assignments = ()
    output: Evaluate | None = None


@dataclass(frozen=True)
class Rule:
    """One of a Choice's rules."""

    matches: Callable[[Scope], bool]
    outcome: Outcome


@dataclass(frozen=True)
class Retrier:
    errors: list[str]
    interval: float
    attempts: int
    backoff: float
    longest: float | None
    jitter: bool


@dataclass(frozen=True)
class Catcher:
    errors: list[str]
    outcome: Outcome
    result_path: Path | None
    """Where the Error Output goes; None discards it (`null`)."""


@dataclass(frozen=True)
class State:
    """A state; what a field would do and is not given is None or empty."""

    name: str
    type: str
    doc: Doc
    jsonata: bool
    outcome: Outcome
    input: Evaluate | None = None
    arguments: Evaluate | None = None
    """Parameters or Arguments; of a Map, ItemSelector."""
    selector: Evaluate | None = None
    result_path: Path | None = None
    """None discards the result (`ResultPath: null`)."""
    filter: Evaluate | None = None
    """OutputPath."""
    retriers: tuple[Retrier, ...] = ()
    catchers: tuple[Catcher, ...] = ()
    rules: tuple[Rule, ...] = ()
    values: dict[str, Evaluate] = field(default_factory=dict)
    """Fields by the name without `Path` (Seconds, TimeoutSeconds, Items, Error, ...)."""
    branches: tuple[Machine, ...] = ()
    """A Parallel's; of a Map, the one machine that items go through."""

    @property
    def distributed(self) -> bool:
        return self.type == "Map" and mode(self.doc) == "DISTRIBUTED"


@dataclass(frozen=True)
class Machine:
    """A state machine, a branch, or an item processor."""

    start: str
    states: dict[str, State]
    timeout: float | None = None


def mode(doc: Doc) -> str:
    """INLINE or DISTRIBUTED, of a Map state."""
    processor = doc.get("ItemProcessor") or doc.get("Iterator") or {}
    return processor.get("ProcessorConfig", {}).get("Mode", "INLINE")


def read(doc: Doc, language: str = "JSONPath") -> Machine:
    """The machine of a valid definition; `language` is the whole state machine's."""
    language = doc.get("QueryLanguage", language)
    states = {name: _state(name, state, language) for name, state in doc["States"].items()}
    return Machine(doc["StartAt"], states, doc.get("TimeoutSeconds"))


def _state(name: str, doc: Doc, language: str) -> State:
    jsonata = doc.get("QueryLanguage", language) == JSONATA
    make = _jsonata if jsonata else _jsonpath
    outcome = _outcome(doc, jsonata, "")
    if doc["Type"] == "Choice":
        outcome = _outcome({**doc, "Next": doc.get("Default")}, jsonata, "")
    state = State(
        name,
        doc["Type"],
        doc,
        jsonata,
        outcome,
        retriers=tuple(map(_retrier, doc.get("Retry", []))),
        catchers=tuple(_catcher(c, jsonata, at) for at, c in enumerate(doc.get("Catch", []))),
        rules=tuple(_rule(r, jsonata, at) for at, r in enumerate(doc.get("Choices", []))),
        branches=tuple(read(branch, language) for branch in _branches(doc)),
        **make(doc),
    )
    return state


def _branches(doc: Doc) -> list[Doc]:
    if doc["Type"] == "Map":
        return [doc.get("ItemProcessor") or doc["Iterator"]]
    return doc.get("Branches", [])


def _jsonpath(doc: Doc) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "input": templates.read_selector(doc.get("InputPath", "$")),
        "filter": templates.read_selector(doc.get("OutputPath", "$")),
    }
    path = doc.get("ResultPath", "$")
    parts["result_path"] = None if path is None else read_path(path)
    for name, attribute in (
        ("Parameters", "arguments"),
        ("ItemSelector", "arguments"),
        ("ResultSelector", "selector"),
    ):
        if name in doc:
            parts[attribute] = templates.read_template(doc[name])
    values = {
        name.removesuffix("Path"): templates.read_named_path(name, doc[name])
        for name in PATHS
        if name in doc
    }
    values |= {name: templates.constant(doc[name]) for name in VALUES if name in doc}
    if "Result" in doc:
        values["Result"] = templates.constant(doc["Result"])
    if "Credentials" in doc:
        values["Credentials"] = templates.read_template(doc["Credentials"])
    return {**parts, "values": values}


def _jsonata(doc: Doc) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    for name in ("Arguments", "ItemSelector"):
        if name in doc:
            parts["arguments"] = expressions.read_template(doc[name], name)
    values = {
        name: _typed(name, doc[name]) for name in (*VALUES, "Items", "Credentials") if name in doc
    }
    if "Items" in doc and mode(doc) == "DISTRIBUTED":
        values["Items"] = _typed("Items", doc["Items"], ("object",))
    return {**parts, "values": values}


VALUES = (
    "Seconds",
    "Timestamp",
    "TimeoutSeconds",
    "HeartbeatSeconds",
    "MaxConcurrency",
    "ToleratedFailureCount",
    "ToleratedFailurePercentage",
    "Error",
    "Cause",
)
PATHS = (
    "SecondsPath",
    "TimestampPath",
    "TimeoutSecondsPath",
    "HeartbeatSecondsPath",
    "MaxConcurrencyPath",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentagePath",
    "ErrorPath",
    "CausePath",
    "ItemsPath",
)
TYPES = {"Timestamp": "string", "Error": "string", "Cause": "string", "Items": "array"}
"""What a field's value must be; the others are numbers."""


def _typed(name: str, given: Any, others: tuple[str, ...] = ()) -> Evaluate:
    """A field of a JSONata state whose expression must yield a value of the field's type, or of others."""
    evaluate = expressions.read_template(given, name)
    if not is_expression(given) or name == "Credentials":
        return evaluate
    wanted = TYPES.get(name, "number")

    def checked(scope: Scope) -> Any:
        value = evaluate(scope)
        if type_of(value) not in (wanted, *others):
            raise expressions.unexpected(inside(given), name, wanted, value)
        return value

    return checked


def _outcome(doc: Doc, jsonata: bool, prefix: str) -> Outcome:
    assign, output = doc.get("Assign", {}), None
    if jsonata:
        made = [(n, expressions.read_template(v, f"{prefix}Assign/{n}")) for n, v in assign.items()]
        if "Output" in doc:
            output = expressions.read_template(doc["Output"], f"{prefix}Output")
    else:
        made = [(name.removesuffix(".$"), _assigned(name, value)) for name, value in assign.items()]
    return Outcome(doc.get("Next"), tuple(made), output)


def _assigned(name: str, value: Any) -> Evaluate:
    whole = templates.read_template({name: value})
    plain = name.removesuffix(".$")
    return lambda scope: whole(scope)[plain]


def _rule(doc: Doc, jsonata: bool, at: int) -> Rule:
    outcome = _outcome(doc, jsonata, f"Choices[{at}]/")
    if not jsonata:
        return Rule(read_rule(doc), outcome)
    condition, place = doc["Condition"], f"Choices[{at}]/Condition"
    evaluate = expressions.read_template(condition, place)

    def matches(scope: Scope) -> bool:
        value = evaluate(scope)
        if not isinstance(value, bool):
            raise expressions.unexpected(inside(str(condition)), place, "boolean", value)
        return value

    return Rule(matches, outcome)


def _retrier(doc: Doc) -> Retrier:
    """Defaults: specification, "Retrying after error"."""
    return Retrier(
        doc["ErrorEquals"],
        doc.get("IntervalSeconds", 1),
        doc.get("MaxAttempts", 3),
        doc.get("BackoffRate", 2.0),
        doc.get("MaxDelaySeconds"),
        doc.get("JitterStrategy", "NONE") == "FULL",
    )


def _catcher(doc: Doc, jsonata: bool, at: int) -> Catcher:
    path = "$" if jsonata else doc.get("ResultPath", "$")
    return Catcher(
        doc["ErrorEquals"],
        _outcome(doc, jsonata, f"Catch[{at}]/"),
        None if path is None else read_path(path),
    )


def number(state: State, name: str, scope: Scope, default: float | None = None) -> Any:
    """A numeric field of a state: a whole number that is not negative. Raises StateError."""
    if name not in state.values:
        return default
    value = state.values[name](scope)
    if not is_number(value) or value < 0 or (value != int(value) and "Percentage" not in name):
        path = state.doc.get(name + "Path")
        raise StateError(
            RUNTIME,
            f"The {name}{'Path' if path else ''} parameter does not reference an integer value: "
            f"{path or state.doc.get(name)} == {write(value)}",
        )
    return value
