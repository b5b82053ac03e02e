"""SageMaker's own events of jobs, models, configurations and notebook instances. Pure.

Source: SageMaker guide, "Events that Amazon SageMaker AI sends to Amazon EventBridge", whose examples
have the members of each Describe operation, times in milliseconds and tags as a map; EventBridge's
events reference, "Amazon SageMaker AI events"; for notebook instances, models and configurations,
which the guide shows no example of, events that users have published. The guide: "SageMaker AI may
send multiple events to EventBridge for each state change." Events of endpoints: `hosting.events`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sagebrush.aws import models
from sagebrush.engine.kinds import arn_of
from sagebrush.errors import Doc
from sagebrush.store.events import Event, Source
from sagebrush.store.rows import Row

SOURCE = "aws.sagemaker"


@dataclass(frozen=True)
class Told:
    """What the events of one kind are."""

    words: str
    """Of the detail type: `SageMaker <words> State Change`."""
    noun: str
    """As in operation names."""
    members: tuple[str, ...] = ()
    """Those of the detail; () for all of the Describe operation's."""
    status: str = ""
    """The member that has the status; "" for what has none."""
    decides: tuple[str, ...] = ()
    """Members of the document a change of which is one of the state, beside the status."""
    ends: bool = False
    """Whether its deletion is a change of its state."""
    tagged: bool = True
    reshape: Callable[[Doc], Doc] = dict


def plain(value: Any) -> Any:
    """The value as events have it: moments in milliseconds since the epoch."""
    if isinstance(value, dt.datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def event(row: Row, words: str, detail: Doc) -> Event:
    """SageMaker's event about the resource in `row`."""
    return Event(
        row.account, row.region, SOURCE, f"SageMaker {words} State Change", detail, (arn_of(row),)
    )


def tags_of(row: Row) -> Doc:
    """The resource's tags, as events have them."""
    return dict(row.plan.get("tags", {}))


@cache
def _described(noun: str) -> tuple[str, ...]:
    """The members of what the Describe operation answers."""
    model = models.operation("sagemaker", f"Describe{noun}")
    assert model is not None
    shape: Any = model.output_shape
    return tuple(shape.members)


def _source(told: Told) -> Source:
    def changes(old: Row | None, new: Row | None) -> Sequence[Event]:
        row = new or old
        if row is None or (new is None and not told.ends):
            return ()
        if old is not None and new is not None and not _changed(told, old, new):
            return ()
        doc = {**row.doc, told.status: row.status} if told.status else row.doc
        members = told.members or _described(told.noun)
        detail = plain({name: doc[name] for name in members if name in doc})
        if told.tagged:
            detail["Tags"] = tags_of(row)
        return (event(row, told.words, told.reshape(detail)),)

    return changes


def _changed(told: Told, old: Row, new: Row) -> bool:
    return old.status != new.status or any(
        old.doc.get(member) != new.doc.get(member) for member in told.decides
    )


_WORDS = {"ManifestFile": "MANIFEST_FILE", "S3Prefix": "S3_PREFIX", "EndOfJob": "END_OF_JOB"}
_ENUMERATED = ("S3DataType", "S3InputMode", "S3DataDistributionType", "S3UploadMode")


def _processing(detail: Doc) -> Doc:
    """The guide's example has the words of its inputs and outputs in upper case: MANIFEST_FILE, PIPE,
    FULLYREPLICATED, CONTINUOUS."""
    found = {"ExperimentConfig": {}, **detail}
    if inputs := detail.get("ProcessingInputs"):
        found["ProcessingInputs"] = [_loud(each, "S3Input") for each in inputs]
    if outputs := detail.get("ProcessingOutputConfig"):
        shown = [_loud(each, "S3Output") for each in outputs.get("Outputs", ())]
        found["ProcessingOutputConfig"] = {**outputs, "Outputs": shown}
    return found


def _loud(part: Doc, member: str) -> Doc:
    if member not in part:
        return part
    inner = part[member]
    loud = {k: _WORDS.get(inner[k], str(inner[k]).upper()) for k in _ENUMERATED if k in inner}
    return {**part, member: {**inner, **loud}}


def _model(detail: Doc) -> Doc:
    """Of each container its name, image and data: no environment, in which secrets may be."""
    found = dict(detail)
    if "PrimaryContainer" in found:
        found["PrimaryContainer"] = _container(found["PrimaryContainer"])
    if "Containers" in found:
        found["Containers"] = [_container(each) for each in found["Containers"]]
    return found


def _container(container: Doc) -> Doc:
    names = ("ContainerHostname", "Image", "ModelDataUrl")
    return {name: container[name] for name in names if name in container}


_JOBS = {
    "training-job": Told(
        "Training Job", "TrainingJob", status="TrainingJobStatus", decides=("SecondaryStatus",)
    ),
    "hyper-parameter-tuning-job": Told(
        "HyperParameter Tuning Job",
        "HyperParameterTuningJob",
        status="HyperParameterTuningJobStatus",
    ),
    "transform-job": Told("Transform Job", "TransformJob", status="TransformJobStatus"),
    "processing-job": Told(
        "Processing Job",
        "ProcessingJob",
        status="ProcessingJobStatus",
        tagged=False,
        reshape=_processing,
    ),
}
_OTHERS = {
    "notebook-instance": Told(
        "Notebook Instance",
        "NotebookInstance",
        (
            "NotebookInstanceArn", "NotebookInstanceName", "NotebookInstanceStatus", "FailureReason",
            "InstanceType", "SubnetId", "SecurityGroups", "RoleArn", "KmsKeyId",
            "NetworkInterfaceId", "LastModifiedTime", "CreationTime",
            "NotebookInstanceLifecycleConfigName", "DirectInternetAccess",
        ),
        "NotebookInstanceStatus",
    ),
    "notebook-instance-lifecycle-config": Told(
        "Notebook Lifecycle Config",
        "NotebookInstanceLifecycleConfig",
        (
            "NotebookInstanceLifecycleConfigArn", "NotebookInstanceLifecycleConfigName",
            "CreationTime", "LastModifiedTime",
        ),
        decides=("LastModifiedTime",),
        ends=True,
    ),
    "endpoint-config": Told("Endpoint Config", "EndpointConfig", ends=True),
    "model": Told("Model", "Model", ends=True, reshape=_model),
}  # fmt: skip
EVENT_SOURCES: Mapping[str, Source] = {
    kind: _source(told) for kind, told in (*_JOBS.items(), *_OTHERS.items())
}
"""Kind of row -> the events of its changes (`registry.event_sources`)."""
