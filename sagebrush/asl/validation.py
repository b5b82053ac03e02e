"""Whether a definition is a valid state machine, and what AWS would say of it.

Sources: specification at states-language.net; Step Functions developer guide; API reference
"ValidateStateMachineDefinition". What this server does not run is an error here as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sagebrush import jackson
from sagebrush.asl import fields, map_fields
from sagebrush.asl.choice import COMPARISONS
from sagebrush.asl.diagnostics import SCHEMA, Diagnostic, Report
from sagebrush.asl.machine import JSONATA, Machine, mode, read
from sagebrush.asl.resources import problem_of
from sagebrush.errors import AwsError, Doc

NAME_LENGTH = 80
TOLD = 100
"""Errors at most that one message tells, as many as ValidateStateMachineDefinition gives."""


def diagnose(text: str, express: bool = False) -> list[Diagnostic]:
    """What is wrong with a definition, errors and warnings, in the order of the text."""
    try:
        doc = json.loads(text, object_pairs_hook=_once) if text.strip() else None
    except json.JSONDecodeError as error:
        return [_not_json(text, error)]
    except (ValueError, RecursionError) as error:
        return [Diagnostic("ERROR", "INVALID_JSON_DESCRIPTION", str(error))]
    if not isinstance(doc, dict):
        return [Diagnostic("ERROR", SCHEMA, "Definition must be a valid JSON object")]
    walk = _Walk(Report(), express, JSONATA if doc.get("QueryLanguage") == JSONATA else "JSONPath")
    walk.machine(doc, "", {"QueryLanguage", "Version", "TimeoutSeconds"})
    return walk.report.found


def read_machine(text: str, express: bool = False) -> Machine:
    """The machine of a definition. Raises AwsError InvalidDefinition with AWS's message."""
    errors = [one for one in diagnose(text, express) if one.severity == "ERROR"]
    if errors:
        told = ", ".join(map(str, errors[:TOLD]))
        raise AwsError("InvalidDefinition", f"Invalid State Machine Definition: '{told}'")
    return read(json.loads(text))


def _once(pairs: list[tuple[str, Any]]) -> Doc:
    """An object whose names are all different, as Jackson's strict reading asks."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"Duplicate field '{twice}'")
    return made


def _not_json(text: str, error: json.JSONDecodeError) -> Diagnostic:
    """In the words of the service's JSON reader, whose column is that after the token."""
    what, at = jackson.told(text, error)
    where = jackson.place("String", text, at)
    return Diagnostic("ERROR", "INVALID_JSON_DESCRIPTION", f"{what}\n at {where}", where)


class _Walk:
    """A walk through a definition; `language` is the whole state machine's."""

    def __init__(self, report: Report, express: bool, language: str) -> None:
        self.report, self.express, self.language = report, express, language
        self.names: set[str] = set()
        self.assigned: list[set[str]] = []
        """Variables of the machine at hand and of those around it, the innermost last."""

    def machine(self, doc: Doc, at: str, allowed: set[str]) -> None:
        """A state machine, a branch or an item processor; `allowed` are fields besides the usual."""
        report = self.report
        missing = [name for name in ("States", "StartAt") if name not in doc]
        if missing:
            report.error(f"These fields are required: [{', '.join(missing)}]", at)
        for name in doc:
            if name not in {"States", "StartAt", "Comment", *allowed}:
                report.error(f"Field '{name}' is not supported", at)
        if "QueryLanguage" in allowed and "QueryLanguage" in doc:
            fields.one_of("JSONPath", "JSONata")(
                report, doc["QueryLanguage"], f"{at}/QueryLanguage", False
            )
        if "TimeoutSeconds" in allowed and "TimeoutSeconds" in doc:
            fields.whole(1)(report, doc["TimeoutSeconds"], f"{at}/TimeoutSeconds", False)
        if "Version" in allowed and doc.get("Version", "1.0") != "1.0":
            report.error("Value should be one of the following: [1.0]", f"{at}/Version")
        states = doc.get("States", {})
        if not isinstance(states, dict) or not isinstance(doc.get("StartAt", ""), str):
            report.error("Expected value of type [OBJECT]", f"{at}/States")
        elif not missing and not states:
            report.error("At least one state is required", f"{at}/States")
        elif not missing:
            self._states(states, doc["StartAt"], at)

    def _states(self, states: Doc, start: str, at: str) -> None:
        self.assigned.append(set())
        for name, state in states.items():
            where = f"{at}/States/{name}"
            if len(name) > NAME_LENGTH or not name:
                message = f"State names must have between 1 and {NAME_LENGTH} characters"
                self.report.error(message, where, "INVALID_STATE_NAME")
            if name in self.names:
                message = f"Duplicate State name: {name}"
                self.report.error(message, where, "DUPLICATE_STATE_NAME")
            self.names.add(name)
            if isinstance(state, dict):
                self.state(state, where)
            else:
                self.report.error("Expected value of type [OBJECT]", where)
        self._flow({n: s for n, s in states.items() if isinstance(s, dict)}, start, at)
        self.assigned.pop()

    def _flow(self, states: Doc, start: str, at: str) -> None:
        """Every transition has a target, every state is reached, and the machine can end."""
        report, code = self.report, "MISSING_TRANSITION_TARGET"
        if start not in states:
            report.error(f"Missing 'Next' target: {start}", f"{at}/StartAt", code)
        reached, todo = {start}, [start]
        for name, state in states.items():
            for field, target in _targets(state):
                if isinstance(target, str) and target not in states:
                    where = f"{at}/States/{name}/{field}"
                    report.error(f"Missing 'Next' target: {target}", where, code)
        while todo:
            for _, target in _targets(states.get(todo.pop(), {})):
                if isinstance(target, str) and target in states and target not in reached:
                    reached.add(target)
                    todo.append(target)
        for name in states:
            if name not in reached:
                report.error(f'State "{name}" is not reachable.', f"{at}/States/{name}", code)
        ends = any(s.get("Type") in ("Succeed", "Fail") or s.get("End") for s in states.values())
        if states and not ends:
            message = "The workflow does not have a terminal state"
            report.error(message, f"{at}/States", "MISSING_END_STATE")

    def state(self, doc: Doc, at: str) -> None:
        kind = doc.get("Type")
        if kind is None:
            self.report.error("These fields are required: [Type]", at)
            return
        if not isinstance(kind, str) or kind not in fields.BOTH:
            known = ", ".join(fields.BOTH)
            message = f"Value should be one of the following: [{known}]"
            self.report.error(message, f"{at}/Type")
            return
        own = doc.get("QueryLanguage", self.language)
        jsonata = own != "JSONPath"
        downgraded = self.language == JSONATA and own == "JSONPath"
        if downgraded:
            message = (
                "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine"
            )
            self.report.error(message, at)
        self._fields(kind, doc, at, jsonata, downgraded)
        if "Next" in fields.BOTH[kind]:
            self._next(doc, at)
        required = [name for name in fields.REQUIRED.get(kind, []) if name not in doc]
        if required:
            self.report.error(f"These fields are required: [{', '.join(required)}]", at)
        fields.exclusive(self.report, doc, at)
        self._parts(kind, doc, at, jsonata)

    def _fields(self, kind: str, doc: Doc, at: str, jsonata: bool, downgraded: bool) -> None:
        path, other = fields.JSONPATH[kind], fields.JSONATA[kind]
        mine, foreign = (other, path) if jsonata else (path, other)
        known = fields.COMMON | fields.BOTH[kind] | mine
        for name, value in doc.items():
            if name in known:
                known[name](self.report, value, f"{at}/{name}", jsonata)
            elif name in foreign:
                if not downgraded:
                    one, two = ("JSONata", "JSONPath") if jsonata else ("JSONPath", "JSONata")
                    self.report.error(
                        f"The QueryLanguage is set to '{one}', but field '{name}' is only supported "
                        f"for the '{two}' QueryLanguage",
                        at,
                    )
            else:
                self.report.error(f"Field '{name}' is not supported", at)
        self._variables(doc, at, jsonata)

    def _variables(self, doc: Doc, at: str, jsonata: bool) -> None:
        """An inner scope cannot assign a variable of the same name as one of an outer scope."""
        holders = [doc, *_objects(doc.get("Choices")), *_objects(doc.get("Catch"))]
        for holder in holders:
            for name in (
                holder.get("Assign") or () if isinstance(holder.get("Assign"), dict) else ()
            ):
                variable = name if jsonata else name.removesuffix(".$")
                if any(variable in outer for outer in self.assigned[:-1]):
                    message = f"The variable '{variable}' is already assigned in an outer scope"
                    self.report.error(message, f"{at}/Assign/{name}")
                self.assigned[-1].add(variable)

    def _next(self, doc: Doc, at: str) -> None:
        if "Next" in doc and "End" in doc:
            self.report.error("Only one of these fields is allowed: [Next, End]", at)
        elif "Next" not in doc and doc.get("End") is not True:
            self.report.error("One of these fields is required: [Next, End]", at)

    def _parts(self, kind: str, doc: Doc, at: str, jsonata: bool) -> None:
        if kind == "Task" and isinstance(doc.get("Resource"), str):
            problem = problem_of(doc["Resource"], self.express)
            if problem:
                self.report.error(problem.message, f"{at}/Resource", problem.code)
        elif kind == "Wait":
            if not {"Seconds", "SecondsPath", "Timestamp", "TimestampPath"} & doc.keys():
                allowed = "Seconds, Timestamp" + ("" if jsonata else ", SecondsPath, TimestampPath")
                self.report.error(f"One of these fields is required: [{allowed}]", at)
        elif kind == "Choice" and isinstance(doc.get("Choices"), list):
            self._choices(doc["Choices"], at, jsonata)
        elif kind == "Parallel" and isinstance(doc.get("Branches"), list):
            if not doc["Branches"]:
                self.report.error("Array must have at least 1 item", f"{at}/Branches")
            for number, branch in enumerate(doc["Branches"]):
                where = f"{at}/Branches[{number}]"
                if isinstance(branch, dict):
                    self.machine(branch, where, set())
                else:
                    self.report.error("Expected value of type [OBJECT]", where)
        elif kind == "Map":
            self._map(doc, at, jsonata)
        elif kind == "Pass":
            self._static(doc.get("Result"), f"{at}/Result")
        if kind in ("Task", "Parallel", "Map"):
            self._handlers(doc, at, jsonata)

    def _static(self, result: Any, at: str) -> None:
        if isinstance(result, dict) and any(name.endswith(".$") for name in result):
            message = "Attempt to use a path in the result of a pass state"
            self.report.warning("PASS_RESULT_IS_STATIC", message, at)

    def _map(self, doc: Doc, at: str, jsonata: bool) -> None:
        if not {"ItemProcessor", "Iterator"} & doc.keys():
            self.report.error("These fields are required: [ItemProcessor]", at)
        for name in ("ItemProcessor", "Iterator"):
            processor = doc.get(name)
            if isinstance(processor, dict):
                config = processor.get("ProcessorConfig", {})
                map_fields.processor(self.report, config, f"{at}/{name}/ProcessorConfig")
                around = self.assigned
                if isinstance(config, dict) and config.get("Mode") == "DISTRIBUTED":
                    self.assigned = []  # its children see no variables of outer scopes
                    if self.express:
                        message = "Express state machine does not support Distributed Map"
                        self.report.error(message, f"{at}/{name}/ProcessorConfig/Mode")
                self.machine(processor, f"{at}/{name}", {"ProcessorConfig"})
                self.assigned = around
        well = all(isinstance(doc.get(n, {}), dict) for n in ("ItemProcessor", "Iterator"))
        distributed = well and mode_of(doc) == "DISTRIBUTED"
        map_fields.map_state(self.report, doc, at, jsonata, distributed)

    def _choices(self, rules: list[Any], at: str, jsonata: bool) -> None:
        if not rules:
            self.report.error("Array must have at least 1 item", f"{at}/Choices")
        for number, rule in enumerate(rules):
            where = f"{at}/Choices[{number}]"
            if not isinstance(rule, dict):
                self.report.error("Expected value of type [OBJECT]", where)
                continue
            if not isinstance(rule.get("Next"), str):
                self.report.error("These fields are required: [Next]", where)
            outcome = {"Next", "Comment", "Assign"}
            if "Assign" in rule:
                fields.assignments(self.report, rule["Assign"], f"{where}/Assign", jsonata)
            if not jsonata:
                self._rule({n: v for n, v in rule.items() if n not in outcome}, where)
                continue
            for name in rule.keys() - outcome - {"Condition", "Output"}:
                self.report.error(f"Field '{name}' is not supported", where)
            if "Condition" not in rule:
                self.report.error("These fields are required: [Condition]", where)
            elif not isinstance(rule["Condition"], bool):
                fields.expression(self.report, rule["Condition"], f"{where}/Condition", True)
            fields.template(self.report, rule.get("Output"), f"{where}/Output", True)

    def _rule(self, rule: Doc, at: str) -> None:
        """A data test or a boolean expression of JSONPath, without what only the outermost has."""
        boolean = [name for name in ("And", "Or", "Not") if name in rule]
        rule = {n: v for n, v in rule.items() if n != "Comment"}
        if boolean:
            if len(rule) != 1:
                self.report.error("A rule must have exactly one comparison operator", at)
            inner = rule[boolean[0]]
            parts = [inner] if boolean[0] == "Not" else inner
            if not isinstance(parts, list) or not parts:
                self.report.error("Expected value of type [ARRAY]", f"{at}/{boolean[0]}")
                return
            for number, part in enumerate(parts):
                where = f"{at}/{boolean[0]}" + ("" if boolean[0] == "Not" else f"[{number}]")
                if isinstance(part, dict):
                    self._rule(part, where)
                else:
                    self.report.error("Expected value of type [OBJECT]", where)
            return
        operators = [name for name in rule if name in COMPARISONS]
        for name in rule.keys() - {"Variable", *operators}:
            self.report.error(f"Field '{name}' is not supported", at)
        if len(operators) != 1:
            self.report.error("A rule must have exactly one comparison operator", at)
        if "Variable" not in rule:
            self.report.error("These fields are required: [Variable]", at)
        else:
            fields.reference(self.report, rule["Variable"], f"{at}/Variable", False)
        for name in operators:
            self._operand(name, rule[name], f"{at}/{name}")

    def _operand(self, name: str, value: Any, at: str) -> None:
        kind = COMPARISONS[name]
        if name.endswith("Path"):
            fields.reference(self.report, value, at, False)
        elif not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            told = "BOOLEAN" if kind is bool else "STRING" if kind is str else "NUMBER"
            self.report.error(f"Expected value of type [{told}]", at)
        elif name.startswith("Timestamp"):
            fields.moment(self.report, value, at, False)

    def _handlers(self, doc: Doc, at: str, jsonata: bool) -> None:
        for field, known in (("Retry", map_fields.RETRIER), ("Catch", map_fields.CATCHER)):
            handlers = doc.get(field)
            for number, handler in enumerate(handlers if isinstance(handlers, list) else []):
                where = f"{at}/{field}[{number}]"
                last = number == len(handlers or []) - 1
                map_fields.handler(self.report, handler, where, known, last)
                if field == "Catch" and isinstance(handler, dict):
                    map_fields.catcher(self.report, handler, where, jsonata)


def mode_of(doc: Doc) -> str:
    processor = doc.get("ItemProcessor") or doc.get("Iterator") or {}
    return mode(doc) if isinstance(processor.get("ProcessorConfig", {}), dict) else "INLINE"


def _objects(found: Any) -> list[Doc]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _targets(state: Doc) -> Iterator[tuple[str, Any]]:
    for name in ("Next", "Default"):
        if name in state:
            yield name, state[name]
    for name in ("Choices", "Catch"):
        for at, one in enumerate(_objects(state.get(name))):
            if "Next" in one:
                yield f"{name}[{at}]/Next", one["Next"]
