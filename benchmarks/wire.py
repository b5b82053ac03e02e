"""What the wire costs: parse + check + render of common requests, beside the bare JSON library.

`python benchmarks/wire.py` prints CPU microseconds a request. The floor is what `json.loads` and
`json.dumps` of the same documents cost; botocore's own serialiser and parser, which do the mirror
image of the work on the client's side, are shown as the peer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import botocore.serialize
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagebrush import credentials
from sagebrush.aws import models
from sagebrush.aws.check import check
from sagebrush.protocol import claims, reply, rest, sigv4
from sagebrush.protocol.detect import detect
from sagebrush.protocol.message import Request
from sagebrush.protocol.receive import sha256

JOB: dict[str, Any] = {
    "TrainingJobName": "job-1",
    "RoleArn": "arn:aws:iam::123456789012:role/SagebrushExecutionRole",
    "AlgorithmSpecification": {
        "TrainingImage": "811284229777.dkr.ecr.us-east-1.amazonaws.com/blazingtext:1",
        "TrainingInputMode": "File",
    },
    "InputDataConfig": [
        {
            "ChannelName": channel,
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://b/{channel}"}
            },
        }
        for channel in ("train", "validation")
    ],
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    "HyperParameters": {"mode": "supervised", "epochs": "10"},
}
ENTRY = {"Key": "a/key.txt", "Size": 1, "ETag": '"d41d8cd98f00b204e9800998ecf8427e"',
         "LastModified": 1.7e9, "StorageClass": "STANDARD"}  # fmt: skip


def spent(call: Callable[[], Any], rounds: int) -> float:
    """CPU microseconds of one call: the least of five runs."""
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for _ in range(rounds):
            call()
        best = min(best, (time.process_time() - start) / rounds)
    return best * 1e6


def signed(service: str, **headers: str) -> dict[str, str]:
    """Headers of a signed request, as detection reads them."""
    scope = f"Credential=AKIAEXAMPLE/20240101/us-east-1/{service}/aws4_request"
    return {"authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"} | headers


def handled(request: Request, result: dict[str, Any]) -> Callable[[], reply.Reply]:
    """The whole of the wire for one request and its result."""

    def call() -> reply.Reply:
        target = detect(request)
        op, params = rest.parse(target, request)
        check(op, params)
        return reply.render(op, target.protocol, result, "request-id")

    return call


def signature(body: bytes) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """(botocore signs the request; the server verifies that signature)."""
    keys = Credentials("AKIAEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    session = credentials.RoleSession("arn:aws:iam::123456789012:role/Role", "", "me")
    known = credentials.Key(keys.secret_key, credentials.session_caller(session, keys.access_key))
    verifier = sigv4.Verifier(lambda *_: known, time.time, "us-east-1")

    def sign() -> AWSRequest:
        made = AWSRequest(method="POST", url="http://localhost:4566/", data=body)
        SigV4Auth(keys, "sagemaker", "us-east-1").add_auth(made)
        return made

    headers = {name.lower(): value for name, value in sign().headers.items()}
    request = Request("POST", "/", [], headers | {"host": "localhost:4566"}, body)

    def verify() -> sigv4.Verified:
        claim = claims.parse(request, claims.JSON)
        return verifier.verify(request, claim, claims.JSON, sha256(body))

    verify()
    return sign, verify


def main() -> None:
    """Prints the table."""
    body = json.dumps(JOB).encode()
    described = JOB | {"TrainingJobArn": "arn", "CreationTime": 1.7e9, "LastModifiedTime": 1.7e9}
    target = {"x-amz-target": "SageMaker.CreateTrainingJob"}
    describe = {"x-amz-target": "SageMaker.DescribeTrainingJob"}
    name = b'{"TrainingJobName": "job-1"}'
    listing = {"Name": "b", "KeyCount": 1000, "Contents": [ENTRY] * 1000}
    rows: list[tuple[str, Request, dict[str, Any], int]] = [
        ("CreateTrainingJob",
         Request("POST", "/", [], signed("sagemaker", **target), body), {"TrainingJobArn": "arn"}, 2000),
        ("DescribeTrainingJob",
         Request("POST", "/", [], signed("sagemaker", **describe), name), described, 2000),
        ("InvokeEndpoint",
         Request("POST", "/endpoints/e/invocations", [], signed("sagemaker"), b"x" * 100),
         {"Body": b"{}", "ContentType": "application/json"}, 2000),
        ("PutObject", Request("PUT", "/b/some/key", [], signed("s3"), b"x"), {"ETag": '"e"'}, 2000),
        ("GetObject", Request("GET", "/b/some/key", [], signed("s3")), {"Body": b"x"}, 2000),
        ("ListObjectsV2 of 1,000",
         Request("GET", "/b", [("list-type", "2")], signed("s3")), listing, 20),
    ]  # fmt: skip
    print(f"{'request':24s}{'wire, CPU µs':>14s}")
    for label, request, result, rounds in rows:
        call = handled(request, result)
        call()
        print(f"{label:24s}{spent(call, rounds):14.1f}")
    print()
    floor = spent(lambda: (json.loads(body), json.dumps({"TrainingJobArn": "arn"})), 2000)
    print(f"{'floor: json alone, CreateTrainingJob':44s}{floor:8.1f}")
    serializer: Any = botocore.serialize.create_serializer("json", include_validation=True)
    op: Any = models.operation("sagemaker", "CreateTrainingJob")
    peer = spent(lambda: serializer.serialize_to_request(JOB, op), 300)
    print(f"{'peer: botocore validates and serialises it':44s}{peer:8.1f}")
    print()
    sign, verify = signature(body)
    print(f"{'signature of CreateTrainingJob, verified':44s}{spent(verify, 2000):8.1f}")
    print(f"{'peer: botocore signs it':44s}{spent(sign, 300):8.1f}")


if __name__ == "__main__":
    main()
