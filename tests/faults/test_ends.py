"""How jobs end: stopped, too late, out of memory, by an exception, with too much to say, misasked."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.faults.conftest import Start
from tests.faults.stand import (
    BLAZINGTEXT,
    BUCKET,
    HANDLER,
    IMAGE,
    ROLE,
    Stand,
    archive,
    channel,
    until,
)

pytestmark = pytest.mark.sandbox

SAVES = """
import signal, sys, time
def save(*_):
    open("/opt/ml/model/half.txt", "w").write("half")
    print("saved")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("ready")
time.sleep(600)
"""
IGNORES = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open("/opt/ml/model/half.txt", "w").write("half")
print("ready")
while True: time.sleep(1)
"""


@pytest.mark.full
@pytest.mark.parametrize("program", [SAVES, IGNORES], ids=["saves", "ignores"])
def test_stopped_with_its_partial_model(
    stand: Stand, request: pytest.FixtureRequest, program: str
) -> None:
    name = "stop-" + request.node.callspec.id
    stand.train(name, program)
    until(lambda: "ready" in stand.log(name), "the job at work")
    began = time.monotonic()
    stand.sm.stop_training_job(TrainingJobName=name)
    assert stand.job(name)["TrainingJobStatus"] in ("Stopping", "Stopped")
    found = stand.ended(name, 30)
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert "FailureReason" not in found
    assert stand.model(name) == {"half.txt": b"half"}
    took = time.monotonic() - began
    if program == IGNORES:
        assert took >= 1.9  # the grace of this server is 2 s
    assert ("saved" in stand.log(name)) == (program == SAVES)


LATE = [SAVES, pytest.param(IGNORES, marks=pytest.mark.full)]


@pytest.mark.full
@pytest.mark.parametrize("program", LATE, ids=["saves", "ignores"])
def test_too_late_with_its_partial_model(
    stand: Stand, request: pytest.FixtureRequest, program: str
) -> None:
    name = "late-" + request.node.callspec.id
    stand.train(name, program, StoppingCondition={"MaxRuntimeInSeconds": 2})
    found = stand.ended(name, 40)
    assert found["TrainingJobStatus"] == "Stopped"
    assert found["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert stand.model(name) == {"half.txt": b"half"}


def test_stopping_a_job_that_ended_is_refused(stand: Stand) -> None:
    stand.outcome("over", "pass")
    with pytest.raises(ClientError, match="ValidationException"):
        stand.sm.stop_training_job(TrainingJobName="over")


@pytest.mark.full
def test_out_of_memory_names_the_type_and_its_size(stand: Stand) -> None:
    resources = {"InstanceType": "ml.t3.medium", "InstanceCount": 1, "VolumeSizeInGB": 1}
    program = "print('grows', flush=True)\nheld = []\nwhile True: held.append(bytearray(64 << 20))"
    found = stand.outcome("hog", program, ResourceConfig=resources)
    assert found["TrainingJobStatus"] == "Failed"
    assert "OutOfMemory" in found["FailureReason"]
    assert "4 GiB of ml.t3.medium" in found["FailureReason"]
    assert stand.s3.head_bucket(Bucket=BUCKET)


def test_an_exception_is_the_reason_with_its_traceback(stand: Stand) -> None:
    program = "def load(): raise KeyError('no column label')\nprint('before')\nload()"
    found = stand.outcome("raises", program)
    assert found["TrainingJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("AlgorithmError: Traceback")
    assert "KeyError: 'no column label', exit code: 1" in found["FailureReason"]
    assert "before" in stand.log("raises")


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("raise SystemExit(42)", "exit code: 42"),
        ("import sys; print('gave up', file=sys.stderr); sys.exit(7)", "gave up, exit code: 7"),
        ("import os; os.abort()", "exit code: 134"),
        ("import ctypes; ctypes.string_at(0)", "exit code: 139"),
        ("def f(", "SyntaxError"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_the_exit_code_is_told(stand: Stand, program: str, words: str) -> None:
    name = f"code-{abs(hash(program)) % 10**9}"
    found = stand.outcome(name, program)
    assert found["TrainingJobStatus"] == "Failed"
    assert words in found["FailureReason"]


@pytest.mark.parametrize(
    ("program", "words"),
    [("no-such-program", "No such file or directory: no-such-program"),
     ("/opt/ml/input/data/code/run.py", "Permission denied: /opt/ml/input/data/code/run.py")],
)  # fmt: skip
def test_an_entry_point_that_is_none_is_the_requests_fault(
    stand: Stand, program: str, words: str
) -> None:
    name = f"entry-{abs(hash(program)) % 10**9}"
    specification = algorithm(ContainerEntrypoint=[program])
    found = stand.outcome(name, "pass", AlgorithmSpecification=specification)
    assert found["TrainingJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("ClientError: ")
    assert words in found["FailureReason"]


@pytest.mark.full
def test_endless_output_is_capped_and_its_end_is_kept(start: Start) -> None:
    stand = start(log_limit=4 << 20)
    program = """
import os
block = b"".join(b"%07d %s\\n" % (n, b"y" * 991) for n in range(1000))
for _ in range(60): os.write(1, block)
os.write(1, b"z" * 3_000_000 + b"\\n")
print("the last words", flush=True)
raise ValueError("after much")
"""
    found = stand.outcome("talks", program)
    assert "ValueError: after much" in found["FailureReason"]
    size = sum(f.stat().st_size for f in (stand.home / "jobs").glob("*/*") if f.is_file())
    assert size < 9 << 20
    lines = stand.log("talks")
    assert "the last words" in lines
    whole = [line for line in lines if line[8:] == "y" * 991]
    assert 100 < len(whole) < 6000  # the newest, each as it was written


def test_the_tree_of_a_job_ends_with_it(stand: Stand) -> None:
    program = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
print("main is done")
"""
    before = len(stand.live())
    assert stand.outcome("daemons", program)["TrainingJobStatus"] == "Completed"
    until(lambda: len(stand.live()) <= before, "the end of its shim", 10)


# -- what a user asks wrongly


def wrong(stand: Stand, name: str, **changes: Any) -> ClientError:
    with pytest.raises(ClientError) as caught:
        stand.train(name, "pass", **changes)
    answer: Any = caught.value.response
    assert 400 <= answer["ResponseMetadata"]["HTTPStatusCode"] < 500
    with pytest.raises(ClientError, match="Requested resource not found"):
        stand.job(name)
    return caught.value


def algorithm(**changes: Any) -> dict[str, Any]:
    return {"TrainingImage": IMAGE, "TrainingInputMode": "File", **changes}


NOWHERE = channel("train", "in/")
NOWHERE["DataSource"]["S3DataSource"]["S3Uri"] = "s3://no-such-bucket/in/"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"InputDataConfig": [NOWHERE]}, r"No S3 objects found under S3 URL .*no-such-bucket"),
        ({"InputDataConfig": [channel("train", "none/")]}, "No S3 objects found under S3 URL"),
        ({"OutputDataConfig": {"S3OutputPath": "s3://no-such-bucket/"}}, "no-such-bucket"),
        ({"RoleArn": "arn:aws:iam::123456789012:role/lambdas"}, "Could not assume role .*lambdas"),
        ({"RoleArn": "SagebrushExecutionRole"}, "roleArn"),
        ({"RoleArn": "arn:aws:iam::999999999999:role/other"}, "999999999999"),
        ({"AlgorithmSpecification": algorithm(TrainingImage="no/such:image")}, "no/such:image"),
        (
            {"ResourceConfig": {"InstanceType": "ml.z9.huge", "InstanceCount": 1,
                                "VolumeSizeInGB": 1}},
            "ml.z9.huge",
        ),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 10**8}}, "28 days"),
    ],
    ids=["bucket", "prefix", "output", "role", "role-name", "account", "image", "type", "runtime"],
)  # fmt: skip
def test_a_wrong_request_is_refused_and_names_its_cause(
    stand: Stand, request: pytest.FixtureRequest, changes: dict[str, Any], words: str
) -> None:
    service = {"Service": "lambda.amazonaws.com"}
    trust = {"Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    with contextlib.suppress(ClientError):  # it is there already
        stand.client("iam").create_role(RoleName="lambdas", AssumeRolePolicyDocument=document)
    error = wrong(stand, "wrong-" + request.node.callspec.id, **changes)
    assert error.response["Error"]["Code"] == "ValidationException"  # type: ignore[typeddict-item]
    assert re.search(words, str(error)), str(error)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"mode": "supervised", "epochs": "many"}, "epochs"),
        ({"mode": "supervised", "epochs": "-3"}, "epochs"),
        ({"mode": "unheard-of"}, "mode"),
        ({"mode": "supervised", "no_such_parameter": "1"}, "no_such_parameter"),
    ],
)
def test_a_malformed_hyperparameter_is_named(
    stand: Stand, parameters: dict[str, str], words: str
) -> None:
    stand.s3.put_object(
        Bucket=BUCKET, Key="text/train.txt", Body=b"__label__a one two\n__label__b three four\n"
    )
    name = f"hyper-{abs(hash(str(parameters))) % 10**9}"
    request = {
        "AlgorithmSpecification": {"TrainingImage": BLAZINGTEXT, "TrainingInputMode": "File"},
        "HyperParameters": parameters,
        "InputDataConfig": [channel("train", "text/")],
    }
    try:
        stand.train(name, "pass", **request)
    except ClientError as error:
        assert words in str(error)  # noqa: PT017 - either is a clear answer
        return
    found = stand.ended(name)
    assert found["TrainingJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("ClientError")
    assert words in found["FailureReason"]


def sagemaker(stand: Stand, operation: str, **params: Any) -> Callable[[], Any]:
    return lambda: getattr(stand.sm, operation)(**params)


def test_wrong_models_and_endpoints_are_refused(stand: Stand) -> None:
    config = {"VariantName": "a", "ModelName": "no-such-model", "InitialInstanceCount": 1,
              "InstanceType": "ml.m5.large"}  # fmt: skip
    container = {"Image": "no/such:image", "ModelDataUrl": f"s3://{BUCKET}/x.tar.gz"}
    calls = {
        "no-such-model": sagemaker(
            stand, "create_endpoint_config", EndpointConfigName="w", ProductionVariants=[config]
        ),
        "no-such-config": sagemaker(
            stand, "create_endpoint", EndpointName="w", EndpointConfigName="no-such-config"
        ),
        "no/such:image": sagemaker(
            stand, "create_model", ModelName="w", PrimaryContainer=container, ExecutionRoleArn=ROLE
        ),
    }
    for words, call in calls.items():
        with pytest.raises(ClientError, match=words) as caught:
            call()
        answer: Any = caught.value.response
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    with pytest.raises(ClientError, match="nobody-s-endpoint"):
        stand.client("sagemaker-runtime").invoke_endpoint(
            EndpointName="nobody-s-endpoint", Body=b""
        )


def test_an_inference_script_that_raises_is_told_to_the_caller(stand: Stand) -> None:
    broken = HANDLER.replace("    return model\n", "    raise ValueError('cannot predict that')\n")
    stand.serve("raises", archive({"answer.txt": "x", "code/inference.py": broken}))
    assert stand.in_service("raises")["EndpointStatus"] == "InService"
    with pytest.raises(ClientError, match="cannot predict that") as caught:
        stand.client("sagemaker-runtime").invoke_endpoint(EndpointName="raises", Body=b"x")
    assert caught.value.response["Error"]["Code"] == "ModelError"  # type: ignore[typeddict-item]
    stand.sm.delete_endpoint(EndpointName="raises")
    until(lambda: any("cannot predict" in x for x in stand.log("raises", "Endpoints")), "its log")
