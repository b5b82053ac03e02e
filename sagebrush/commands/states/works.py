"""What a task started: the job, model, function or execution that its parameters or answer name. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagebrush.commands.states.tree import Attempt, Visit

JOBS = ("TrainingJob", "ProcessingJob", "TransformJob", "HyperParameterTuningJob")
CALL = re.compile(r"(create|update|delete|describe|stop|start)(\w+)")
NAMING = re.compile(r"(?:Name|Arn|ARN|Url|Bucket|Id)$")
EXECUTION = re.compile(r"arn:[^:]+:states:[^:]+:\d+:(?:execution|express):[^:]+:(\S+)")


@dataclass(frozen=True)
class Work:
    """What a task began or asked for, in words: `training job demo-1`."""

    kind: str
    name: str = ""
    logged: bool = False
    """Whether `sagebrush logs NAME` shows what it wrote."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()


def work(visit: Visit) -> Work | None:
    """What the latest attempt of a visit started; None for what starts nothing."""
    return of(visit.attempts[-1]) if visit.attempts else None


def of(attempt: Attempt) -> Work:
    """What an attempt started, by its resource."""
    resource = attempt.resource
    if resource.startswith("arn:"):
        kind = "activity" if ":activity:" in resource else "function"
        return Work(kind, resource.split(":", 6)[6])
    service, _, action = resource.rpartition(":")
    if action[0:1].isdigit():  # `.sync:2`
        service, _, action = service.rpartition(":")
    action = action.partition(".")[0]
    given = _object(attempt.parameters)
    if (service, action) == ("lambda", "invoke"):
        return Work("function", _short(given.get("FunctionName", "")))
    if (service, action) == ("states", "startExecution"):
        return _execution(given, attempt)
    found = CALL.fullmatch(action)
    if service.endswith("sagemaker") and found is not None:
        verb, noun = found.groups()
        kind = _words(noun) if verb in ("create", "update") else f"{verb} {_words(noun)}"
        return Work(kind, str(given.get(f"{noun}Name", "")), verb == "create" and noun in JOBS)
    named = next((v for k, v in given.items() if NAMING.search(k) and isinstance(v, str)), "")
    return Work(f"{service.removeprefix('aws-sdk:')}:{action}", _short(named))


def _execution(given: Mapping[str, Any], attempt: Attempt) -> Work:
    """The execution that was started; before the answer, the machine or the name asked for."""
    answer = {**_object(attempt.submitted), **_object(attempt.output)}
    found = EXECUTION.fullmatch(str(answer.get("ExecutionArn", "")))
    if found:
        return Work("execution", found[1])
    return Work("execution", str(given.get("Name") or f"of {_short(given.get('StateMachineArn'))}"))


def _object(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:  # AWS cuts what is too long
        return {}
    return found if isinstance(found, dict) else {}


def _short(name: object) -> str:
    """The name at an ARN's or a URL's end."""
    text = str(name or "")
    if text.startswith("arn:"):
        return text.split(":", 5)[-1].split(":", 1)[-1].rpartition("/")[2]
    return text.rpartition("/")[2] if "://" in text else text


def _words(noun: str) -> str:
    """`TrainingJob` as `training job`; SageMaker's tuning jobs as its users call them."""
    if noun == "HyperParameterTuningJob":
        return "tuning job"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", noun).lower()
