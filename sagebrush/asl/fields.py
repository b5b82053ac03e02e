"""Which fields a state may have in which query language, and what their values must be.

Sources: Step Functions developer guide, the page of each state type; specification, "State Types".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sagebrush.asl import expressions
from sagebrush.asl.diagnostics import Report
from sagebrush.asl.expressions import BadExpression, inside, is_expression
from sagebrush.asl.intrinsics import read_value
from sagebrush.asl.jsonpath import read_path
from sagebrush.asl.values import TIMESTAMP, is_number, timestamp
from sagebrush.errors import Doc

Check = Callable[[Report, Any, str, bool], None]
"""(report, value, location, whether the state is JSONata's)."""
LONGEST = 99_999_999
"""Seconds that timeouts, waits and intervals may have."""


def typed(kind: type, name: str) -> Check:
    def check(report: Report, value: Any, location: str, jsonata: bool) -> None:
        if not isinstance(value, kind):
            report.error(f"Expected value of type [{name}]", location)

    return check


def anything(report: Report, value: Any, location: str, jsonata: bool) -> None:
    """All JSON values will do."""


def whole(least: int, most: int = LONGEST) -> Check:
    """An integer, or in JSONata an expression."""

    def check(report: Report, value: Any, location: str, jsonata: bool) -> None:
        if jsonata and isinstance(value, str):
            expression(report, value, location, jsonata)
        elif not isinstance(value, int) or isinstance(value, bool):
            report.error("Expected value of type [INTEGER]", location)
        elif not least <= value <= most:
            report.error(f"Value should be between {least} and {most}", location)

    return check


def percentage(report: Report, value: Any, location: str, jsonata: bool) -> None:
    if jsonata and isinstance(value, str):
        expression(report, value, location, jsonata)
    elif not is_number(value):
        report.error("Expected value of type [NUMBER]", location)
    elif not 0 <= value <= 100:
        report.error("Value should be between 0 and 100", location)


def expression(report: Report, value: Any, location: str, jsonata: bool) -> None:
    """A string that must be a JSONata expression."""
    if not is_expression(value):
        report.error("Value should be a JSONata expression, enclosed in '{% %}'", location)
    else:
        template(report, value, location, True)


def one_of(*words: str) -> Check:
    def check(report: Report, value: Any, location: str, jsonata: bool) -> None:
        if not isinstance(value, str):
            report.error("Expected value of type [STRING]", location)
        elif value not in words:
            report.error(f"Value should be one of the following: [{', '.join(words)}]", location)

    return check


def path(report: Report, value: Any, location: str, jsonata: bool) -> None:
    """InputPath, OutputPath and ItemsPath."""
    try:
        read_path(value if isinstance(value, str) else "")
    except ValueError as error:
        report.error(f"Value is not a valid JSONPath: {error}", location)


def path_or_null(report: Report, value: Any, location: str, jsonata: bool) -> None:
    if value is not None:
        path(report, value, location, jsonata)


def reference(report: Report, value: Any, location: str, jsonata: bool) -> None:
    """A Reference Path: it names one node, and is used in Variable and the `...Path` fields."""
    try:
        found = read_path(value if isinstance(value, str) else "")
    except ValueError as error:
        report.error(f"Value is not a Reference Path: {error}", location)
        return
    if found.keys is None:
        report.error("Value is not a Reference Path: it must name a single node", location)


def result_path(report: Report, value: Any, location: str, jsonata: bool) -> None:
    if value is None:
        return
    before = len(report.found)
    reference(report, value, location, jsonata)
    if len(report.found) == before and read_path(value).root != "$":
        report.error("Value is not a Reference Path: it must begin with '$.' or be '$'", location)


def value_path(report: Report, value: Any, location: str, jsonata: bool) -> None:
    """ErrorPath and CausePath: a reference path, or an intrinsic function that makes a string."""
    if isinstance(value, str) and value.startswith("States."):
        dynamic(report, value, location)
    else:
        reference(report, value, location, jsonata)


def dynamic(report: Report, value: Any, location: str) -> None:
    """The value of a member whose name ends in `.$`; `location` ends with that member."""
    where, _, name = location.rpartition("/")
    try:
        read_value(value if isinstance(value, str) else "")
    except ValueError:
        report.error(
            f"The value for the field '{name}' must be a valid JSONPath or a valid intrinsic "
            "function call",
            where,
        )


def template(report: Report, value: Any, location: str, jsonata: bool) -> None:
    """A payload template of either language."""
    if jsonata:
        if is_expression(value):
            _parsed(report, value, location)
        elif isinstance(value, str) and (value.startswith("{%") or value.endswith("%}")):
            report.error(
                "JSONata expressions must start with '{%' and end with '%}'",
                location,
                "INVALID_JSONATA_EXPRESSION",
            )
    if isinstance(value, list):
        for at, one in enumerate(value):
            template(report, one, f"{location}[{at}]", jsonata)
    elif isinstance(value, dict):
        for name, one in value.items():
            member(report, value, name, f"{location}/{name}", jsonata)
            if not name.endswith(".$") or jsonata:
                template(report, one, f"{location}/{name}", jsonata)


def member(report: Report, value: Doc, name: str, location: str, jsonata: bool) -> None:
    if jsonata or not name.endswith(".$"):
        looks = isinstance(value[name], str) and value[name].startswith(("$.", "States."))
        if not jsonata and looks and not name.endswith("Path"):
            report.warning(
                "NO_DOLLAR",
                f"Field '{name}' looks like a JSONPath or an intrinsic function, but its name does "
                "not end with '.$'",
                location,
            )
        return
    if name.removesuffix(".$") in value:
        where = location.rpartition("/")[0]
        report.error(f"Duplicate field '{name.removesuffix('.$')}' in the payload template", where)
    dynamic(report, value[name], location)


def _parsed(report: Report, value: str, location: str) -> None:
    try:
        problem = expressions.unsupported(expressions.read_expression(inside(value)))
    except BadExpression as error:
        report.error(str(error), location, error.code)
        return
    if problem:
        report.error(problem, location, "UNSUPPORTED_JSONATA_EXPRESSION")


def credentials(report: Report, value: Any, location: str, jsonata: bool) -> None:
    """Guide, "Access resources in other accounts": an object with RoleArn."""
    if not isinstance(value, dict):
        report.error("Expected value of type [OBJECT]", location)
        return
    template(report, value, location, jsonata)


def assignments(report: Report, value: Any, location: str, jsonata: bool) -> None:
    """Names of variables are Unicode identifiers of up to 80 characters; `states` is reserved."""
    if not isinstance(value, dict):
        report.error("Expected value of type [OBJECT]", location)
        return
    for name in value:
        variable = name if jsonata else name.removesuffix(".$")
        if not variable.isidentifier() or len(variable) > 80 or variable == "states":
            report.error(f"'{variable}' is not a valid name of a variable", f"{location}/{name}")
    template(report, value, location, jsonata)


def moment(report: Report, value: Any, location: str, jsonata: bool) -> None:
    if jsonata and is_expression(value):
        template(report, value, location, True)
    elif not isinstance(value, str) or not TIMESTAMP.fullmatch(value) or timestamp(value) is None:
        report.error("String does not match RFC3339 timestamp", location)


def text(report: Report, value: Any, location: str, jsonata: bool) -> None:
    if not isinstance(value, str):
        report.error("Expected value of type [STRING]", location)
    elif jsonata:
        template(report, value, location, True)


def items(report: Report, value: Any, location: str, jsonata: bool) -> None:
    """An array, or an expression of one; a JSON object, whose members AWS takes too, is refused."""
    if isinstance(value, dict):
        report.error("A JSON object as Items is not supported: use an array", location)
    elif isinstance(value, list):
        template(report, value, location, True)
    else:
        expression(report, value, location, True)


string = typed(str, "STRING")
listed = typed(list, "ARRAY")
record = typed(dict, "OBJECT")
flag = typed(bool, "BOOLEAN")

NEXT = {"Next": string, "End": flag}
COMMON = {"Type": string, "Comment": anything, "QueryLanguage": one_of("JSONPath", "JSONata")}
HANDLERS = {"Retry": listed, "Catch": listed}
MAP = {
    "ItemProcessor": record,
    "Iterator": record,
    "ItemSelector": template,
    "ItemReader": record,
    "ItemBatcher": record,
    "ResultWriter": record,
    "MaxConcurrency": whole(0),
    "ToleratedFailureCount": whole(0),
    "ToleratedFailurePercentage": percentage,
    "Label": string,
}
BOTH: dict[str, dict[str, Check]] = {
    "Pass": NEXT | {"Assign": assignments},
    "Task": NEXT
    | HANDLERS
    | {
        "Assign": assignments,
        "Resource": string,
        "TimeoutSeconds": whole(1),
        "HeartbeatSeconds": whole(1),
        "Credentials": credentials,
    },
    "Choice": {"Choices": listed, "Default": string, "Assign": assignments},
    "Wait": NEXT | {"Assign": assignments, "Seconds": whole(0), "Timestamp": moment},
    "Succeed": {},
    "Fail": {"Error": text, "Cause": text},
    "Parallel": NEXT | HANDLERS | {"Assign": assignments, "Branches": listed},
    "Map": NEXT | HANDLERS | MAP | {"Assign": assignments},
}
"""State type -> the fields it has in both languages."""
IN_OUT: dict[str, Check] = {"InputPath": path_or_null, "OutputPath": path_or_null}
RESULT: dict[str, Check] = IN_OUT | {
    "ResultPath": result_path,
    "ResultSelector": template,
    "Parameters": template,
}
JSONPATH: dict[str, dict[str, Check]] = {
    "Pass": {k: v for k, v in RESULT.items() if k != "ResultSelector"} | {"Result": anything},
    "Task": RESULT | {"TimeoutSecondsPath": reference, "HeartbeatSecondsPath": reference},
    "Choice": IN_OUT,
    "Wait": IN_OUT | {"SecondsPath": reference, "TimestampPath": reference},
    "Succeed": IN_OUT,
    "Fail": {"ErrorPath": value_path, "CausePath": value_path},
    "Parallel": RESULT,
    "Map": RESULT
    | {
        "ItemsPath": path,
        "MaxConcurrencyPath": reference,
        "ToleratedFailureCountPath": reference,
        "ToleratedFailurePercentagePath": reference,
    },
}
OUTPUT: dict[str, Check] = {"Output": template}
JSONATA: dict[str, dict[str, Check]] = {
    "Pass": OUTPUT,
    "Task": OUTPUT | {"Arguments": template},
    "Choice": OUTPUT,
    "Wait": OUTPUT,
    "Succeed": OUTPUT,
    "Fail": {},
    "Parallel": OUTPUT | {"Arguments": template},
    "Map": OUTPUT | {"Items": items},
}
REQUIRED = {"Task": ["Resource"], "Choice": ["Choices"], "Parallel": ["Branches"]}
EXCLUSIVE = [
    ("Seconds", "SecondsPath", "Timestamp", "TimestampPath"),
    ("TimeoutSeconds", "TimeoutSecondsPath"),
    ("HeartbeatSeconds", "HeartbeatSecondsPath"),
    ("Error", "ErrorPath"),
    ("Cause", "CausePath"),
    ("MaxConcurrency", "MaxConcurrencyPath"),
    ("ToleratedFailureCount", "ToleratedFailureCountPath"),
    ("ToleratedFailurePercentage", "ToleratedFailurePercentagePath"),
    ("ItemProcessor", "Iterator"),
    ("Items", "ItemsPath"),
    ("ItemSelector", "Parameters"),
    ("MaxItems", "MaxItemsPath"),
    ("MaxItemsPerBatch", "MaxItemsPerBatchPath"),
    ("MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath"),
]
"""Of each of these at most one may be given."""


def exclusive(report: Report, doc: Doc, location: str) -> None:
    for names in EXCLUSIVE:
        given = [name for name in names if name in doc]
        if len(given) > 1:
            report.error(f"Only one of these fields is allowed: [{', '.join(given)}]", location)
