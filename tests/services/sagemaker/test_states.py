"""What a resource's state does not allow is refused in AWS's words, also where two callers race."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sagebrush.engine.kinds import moment
from sagebrush.errors import Doc
from tests.services.sagemaker.calls import BASE, Call, job, processing, refusal
from tests.services.sagemaker.hosting.test_model import ROLE
from tests.services.sagemaker.stand import Stand

PROGRESS = f'Cannot update in-progress endpoint "{BASE}:endpoint/e".'
FAILED = f'Cannot update failed endpoint "{BASE}:endpoint/e"'
BUSY = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
DESIRED = [{"VariantName": "AllTraffic", "DesiredWeight": 2.0}]

ENDPOINT: tuple[Doc, ...] = (
    {"name": "UpdateEndpoint", "EndpointName": "e", "EndpointConfigName": "c-n"},
    {
        "name": "UpdateEndpointWeightsAndCapacities",
        "EndpointName": "e",
        "DesiredWeightsAndCapacities": DESIRED,
    },
    {"name": "DeleteEndpoint", "EndpointName": "e"},
)


def put(stand: Stand, kind: str, name: str, status: str, **doc: Any) -> None:
    """The resource is in that status, whatever led there."""
    row = stand.app.world.rows.get("123456789012", "us-east-1", kind, name)
    assert row is not None
    stand.app.world.rows.update(
        row.id, lambda r: replace(r, status=status, doc={**r.doc, **doc}, due_at=None)
    )


@pytest.mark.parametrize("params", ENDPOINT, ids=lambda p: p["name"])
def test_an_endpoint_in_progress_is_left_alone(stand: Stand, params: Doc) -> None:
    stand.create()
    name, params = params["name"], {k: v for k, v in params.items() if k != "name"}
    for status in BUSY:
        put(stand, "endpoint", "e", status)
        call = ("sagemaker", name, params)
        assert refusal(stand, call) == ("ValidationException", PROGRESS), status
        assert stand.status() == status
        assert stand.app.world.endpoints.get(("123456789012", "us-east-1", "e")) is not None, (
            "it answers on"
        )
    put(stand, "endpoint", "e", "Failed")
    if name == "DeleteEndpoint":
        stand.sm(name, **params)
        assert stand.status() == "Deleting"
    else:
        code, message = refusal(stand, ("sagemaker", name, params))
        assert (code, message.startswith(FAILED)) == ("ValidationException", True)


def test_an_endpoint_whose_configuration_is_gone_cannot_be_updated(stand: Stand) -> None:
    stand.create()
    stand.sm("DeleteEndpointConfig", EndpointConfigName="c-m")  # AWS allows it, and warns
    call = ("sagemaker", "UpdateEndpoint", {"EndpointName": "e", "EndpointConfigName": "c-n"})
    words = f'Could not find endpoint configuration "{BASE}:endpoint-config/c-m".'
    assert refusal(stand, call) == ("ValidationException", words)
    assert stand.status() == "InService"
    stand.sm("DeleteModel", ModelName="m")
    stand.sm("DeleteEndpoint", EndpointName="e")


JOBS: dict[str, tuple[Callable[[str], Doc], str, str]] = {
    "TrainingJob": (job, "training-job", "training job"),
    "ProcessingJob": (processing, "processing-job", "processing job"),
}


@pytest.mark.parametrize("noun", list(JOBS))
def test_a_job_is_stopped_while_it_runs_and_deleted_after(stand: Stand, noun: str) -> None:
    request, kind, words = JOBS[noun]
    named = {f"{noun}Name": "j"}
    stand.sm(f"Create{noun}", **request("j"))
    said = f"The request was rejected because the {words} is in status "
    for status in ("InProgress", "Stopping"):
        put(stand, kind, "j", status)
        call = ("sagemaker", f"Delete{noun}", named)
        assert refusal(stand, call) == ("ResourceInUse", f"{said}{status}.")
    for status in ("Completed", "Failed", "Stopped"):
        put(stand, kind, "j", status)
        call = ("sagemaker", f"Stop{noun}", named)
        assert refusal(stand, call) == ("ValidationException", f"{said}{status}.")
    if noun == "TrainingJob":
        put(stand, kind, "j", "Completed", WarmPoolStatus={"Status": "Available"})
        assert "warm pool" in refusal(stand, ("sagemaker", f"Delete{noun}", named))[1]
        put(stand, kind, "j", "Completed", WarmPoolStatus={"Status": "Reused"})
    stand.sm(f"Delete{noun}", **named)
    assert refusal(stand, ("sagemaker", f"Describe{noun}", named))[0] == "ValidationException"


@pytest.mark.parametrize(
    ("status", "doc", "update", "words"),
    [
        ("InProgress", {}, {}, "Invalid UpdateTrainingJobRequest, the request cannot be empty"),
        (
            "InProgress",
            {"SecondaryStatus": "Starting"},
            {"RemoteDebugConfig": {"EnableRemoteDebug": True}},
            "is Downloading or Training, and it is Starting.",
        ),
        (
            "Completed",
            {"WarmPoolStatus": {"Status": "Reused"}},
            {"ResourceConfig": {"KeepAlivePeriodInSeconds": 60}},
            "Available, and it is Reused.",
        ),
        (  # the next job has taken it, and this one is told in a moment
            "Completed",
            {"WarmPoolStatus": {"Status": "Available"}},
            {"ResourceConfig": {"KeepAlivePeriodInSeconds": 60}},
            "Available, and it is gone.",
        ),
        (
            "Failed",
            {},
            {"ProfilerConfig": {"DisableProfiler": True}},
            "The request was rejected because the training job is in status Failed.",
        ),
    ],
)
def test_a_training_job_is_updated_as_far_as_its_state_allows(
    stand: Stand, status: str, doc: Doc, update: Doc, words: str
) -> None:
    stand.sm("CreateTrainingJob", **job("j"))
    put(stand, "training-job", "j", status, **doc)
    before = stand.sm("DescribeTrainingJob", TrainingJobName="j")
    call = ("sagemaker", "UpdateTrainingJob", {"TrainingJobName": "j", **update})
    code, message = refusal(stand, call)
    assert (code, message.endswith(words)) == ("ValidationException", True), message
    assert stand.sm("DescribeTrainingJob", TrainingJobName="j") == before


NOTEBOOK = {"NotebookInstanceName": "nb"}
STATUSES = ("Pending", "InService", "Stopping", "Stopped", "Failed", "Deleting", "Updating")
RESTING = ("Stopped", "Failed")
ALLOWED = {
    "StartNotebookInstance": (RESTING, "transition to (Pending)"),
    "StopNotebookInstance": (("InService",), "transition to (Stopping)"),
    "UpdateNotebookInstance": (RESTING, "transition to (Updating)"),
    "DeleteNotebookInstance": (RESTING, "transition to (Deleting)"),
    "CreatePresignedNotebookInstanceUrl": (("InService",), "create a presigned URL"),
}


@pytest.mark.parametrize("operation", list(ALLOWED))
def test_a_notebook_instance_does_what_its_status_allows(stand: Stand, operation: str) -> None:
    allowed, words = ALLOWED[operation]
    stand.sm("CreateNotebookInstance", InstanceType="ml.t3.medium", RoleArn=ROLE, **NOTEBOOK)
    for status in STATUSES:
        put(stand, "notebook-instance", "nb", status)
        if status in allowed:
            stand.sm(operation, **NOTEBOOK)
            continue
        assert refusal(stand, ("sagemaker", operation, NOTEBOOK)) == (
            "ValidationException",
            f"Status ({status}) not in ([{', '.join(allowed)}]). Unable to {words} for Notebook"
            f" Instance ({BASE}:notebook-instance/nb).",
        )


# ---- two callers

SCRIPT = [{"Content": base64.b64encode(b"true").decode()}]
LIFECYCLE = {"NotebookInstanceLifecycleConfigName": "lc"}
WITH = {**NOTEBOOK, "InstanceType": "ml.t3.medium", "RoleArn": ROLE, "LifecycleConfigName": "lc"}
ALLOW = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
    }
)
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
            }
        ],
    }
)
POLICY = "arn:aws:iam::123456789012:policy/p"
ATTACH = ("iam", "AttachRolePolicy", {"RoleName": "r", "PolicyArn": POLICY})
MADE: tuple[Call, ...] = (
    ("iam", "CreateRole", {"RoleName": "r", "AssumeRolePolicyDocument": TRUST}),
    ("iam", "CreatePolicy", {"PolicyName": "p", "PolicyDocument": ALLOW}),
    ("sagemaker", "CreateNotebookInstanceLifecycleConfig", {**LIFECYCLE, "OnStart": SCRIPT}),
    ("sagemaker", "CreateTrainingJob", job("runs")),
    ("s3", "CreateBucket", {"Bucket": "empty"}),
    ("logs", "CreateLogGroup", {"logGroupName": "g"}),
    ("logs", "CreateLogStream", {"logGroupName": "g", "logStreamName": "s"}),
)
STREAM = {"logGroupName": "g", "logStreamName": "s"}
RACES: dict[str, tuple[Call, Call, str, str]] = {
    "deleted twice": (
        ("sagemaker", "DeleteModel", {"ModelName": "m"}),
        ("sagemaker", "DeleteModel", {"ModelName": "m"}),
        "ValidationException",
        f'Could not find model "{BASE}:model/m".',
    ),
    "deleted while it is updated": (
        ("sagemaker", "DeleteEndpoint", {"EndpointName": "e"}),
        ("sagemaker", "UpdateEndpoint", {"EndpointName": "e", "EndpointConfigName": "c-n"}),
        "ValidationException",
        PROGRESS,
    ),
    "updated while it is deleted": (
        ("sagemaker", "UpdateEndpoint", {"EndpointName": "e", "EndpointConfigName": "c-n"}),
        ("sagemaker", "DeleteEndpoint", {"EndpointName": "e"}),
        "ValidationException",
        PROGRESS,
    ),
    "one name in two cases": (
        ("sagemaker", "CreateEndpoint", {"EndpointName": "X", "EndpointConfigName": "c-m"}),
        ("sagemaker", "CreateEndpoint", {"EndpointName": "x", "EndpointConfigName": "c-m"}),
        "ValidationException",
        f'Cannot create already existing endpoint "{BASE}:endpoint/x".',
    ),
    "one training job twice": (
        ("sagemaker", "CreateTrainingJob", job("j")),
        ("sagemaker", "CreateTrainingJob", job("j")),
        "ResourceInUse",
        "Training job names must be unique within an AWS account and region, and a training job"
        f" with this name already exists ({BASE}:training-job/j)",
    ),
    "scripts deleted before an instance has them": (
        ("sagemaker", "CreateNotebookInstance", WITH),
        ("sagemaker", "DeleteNotebookInstanceLifecycleConfig", LIFECYCLE),
        "ValidationException",
        "Unable to describe Notebook Instance Lifecycle Config"
        f" '{BASE}:notebook-instance-lifecycle-config/lc'. (Details: Notebook Instance Lifecycle"
        " Config does not exist.)",
    ),
    "an instance gets scripts before they are deleted": (
        ("sagemaker", "DeleteNotebookInstanceLifecycleConfig", LIFECYCLE),
        ("sagemaker", "CreateNotebookInstance", WITH),
        "ValidationException",
        "Unable to delete Notebook Instance Lifecycle Config"
        f" '{BASE}:notebook-instance-lifecycle-config/lc'. (Details: Notebook Instance Lifecycle"
        " Config is in use by nb.)",
    ),
    "a policy deleted before it is attached": (
        ATTACH,
        ("iam", "DeletePolicy", {"PolicyArn": POLICY}),
        "NoSuchEntity",
        f"Policy {POLICY} does not exist or is not attachable.",
    ),
    "a policy attached before it is deleted": (
        ("iam", "DeletePolicy", {"PolicyArn": POLICY}),
        ATTACH,
        "DeleteConflict",
        "Cannot delete a policy attached to entities.",
    ),
    "a policy attached before its role is deleted": (
        ("iam", "DeleteRole", {"RoleName": "r"}),
        ATTACH,
        "DeleteConflict",
        "Cannot delete entity, must detach all policies first.",
    ),
    "a role deleted before a policy is attached": (
        ATTACH,
        ("iam", "DeleteRole", {"RoleName": "r"}),
        "NoSuchEntity",
        "The role with name r cannot be found.",
    ),
    "a bucket deleted twice": (
        ("s3", "DeleteBucket", {"Bucket": "empty"}),
        ("s3", "DeleteBucket", {"Bucket": "empty"}),
        "NoSuchBucket",
        "The specified bucket does not exist",
    ),
    "a group deleted before a stream is made": (
        ("logs", "CreateLogStream", {"logGroupName": "g", "logStreamName": "t"}),
        ("logs", "DeleteLogGroup", {"logGroupName": "g"}),
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    ),
    "a stream deleted twice": (
        ("logs", "DeleteLogStream", STREAM),
        ("logs", "DeleteLogStream", STREAM),
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    ),
    "a stream deleted before events come": (
        (
            "logs",
            "PutLogEvents",
            {**STREAM, "logEvents": [{"timestamp": 1767225600000, "message": "m"}]},
        ),
        ("logs", "DeleteLogStream", STREAM),
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    ),
}


def outrun(stand: Stand, monkeypatch: pytest.MonkeyPatch, rival: Callable[[], object]) -> None:
    """`rival` has done its whole work when the next caller is about to write."""
    db, write, waiting = stand.app.world.db, stand.app.world.db.write, [rival]

    def late(*args: Any, **named: Any) -> Any:
        if waiting:
            waiting.pop()()
        return write(*args, **named)

    monkeypatch.setattr(db, "write", late)


@pytest.mark.parametrize("race", list(RACES))
def test_of_two_callers_one_is_refused(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, race: str
) -> None:
    call, rival, code, words = RACES[race]
    stand.create()
    for made in MADE:
        stand.ctx.call(*made)
    outrun(stand, monkeypatch, lambda: stand.ctx.call(*rival))
    assert refusal(stand, call) == (code, words)


def test_an_upload_is_not_aborted_once_it_is_complete(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = {"Bucket": "models", "Key": "k"}
    named["UploadId"] = stand.call_s3("CreateMultipartUpload", **named)["UploadId"]
    outrun(stand, monkeypatch, lambda: stand.call_s3("AbortMultipartUpload", **named))
    call = ("s3", "AbortMultipartUpload", named)
    assert refusal(stand, call)[0] == "NoSuchUpload"


def test_a_quota_is_held_by_one_of_two(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    world = stand.app.world
    world.settings = replace(world.settings, quotas=("ml.m5.large=1",))
    outrun(stand, monkeypatch, lambda: stand.sm("CreateTrainingJob", **job("first")))
    code, message = refusal(stand, ("sagemaker", "CreateTrainingJob", job("second")))
    assert code == "ResourceLimitExceeded"
    assert "'ml.m5.large for training job usage' is 1 Instances" in message
    assert [row.name for row in world.rows.select("training-job")] == ["first"]


def test_a_stop_that_comes_after_the_end_changes_nothing(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.sm("CreateTrainingJob", **job("j"))
    end = moment(stand.clock())
    outrun(
        stand,
        monkeypatch,
        lambda: put(stand, "training-job", "j", "Completed", TrainingEndTime=end),
    )
    code, _ = refusal(stand, ("sagemaker", "StopTrainingJob", {"TrainingJobName": "j"}))
    assert code == "ValidationException"
    found = stand.sm("DescribeTrainingJob", TrainingJobName="j")
    assert (found["TrainingJobStatus"], found["TrainingEndTime"]) == ("Completed", end)


def test_a_link_into_a_notebook_is_not_made_for_one_that_stops(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.sm("CreateNotebookInstance", InstanceType="ml.t3.medium", RoleArn=ROLE, **NOTEBOOK)
    put(stand, "notebook-instance", "nb", "InService")
    outrun(stand, monkeypatch, lambda: stand.sm("StopNotebookInstance", **NOTEBOOK))
    call = ("sagemaker", "CreatePresignedNotebookInstanceUrl", NOTEBOOK)
    assert "Status (Stopping) not in ([InService])" in refusal(stand, call)[1]
    row = stand.app.world.rows.get("123456789012", "us-east-1", "notebook-instance", "nb")
    assert row is not None
    assert row.plan["tokens"] == {}
