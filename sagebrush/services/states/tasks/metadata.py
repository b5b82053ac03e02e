"""`SdkHttpMetadata` and `SdkResponseMetadata`: what optimised integrations tell of the answer.

As recorded (localstack test_lambda_task_service, test_sfn_task_service, test_sqs_task_service,
test_sns_task_service): all headers in the order of a hash map, then by name.
"""

from __future__ import annotations

from email.utils import formatdate

from sagebrush.asl.values import write
from sagebrush.errors import Doc

JSON = {"states": "1.0", "sqs": "1.0", "sagemaker": "1.1"}
"""Services that answer in AWS's JSON -> its version."""
PUBLISHED = 294
"""Bytes of SNS's answer to Publish, whose texts all have one length."""


def metadata(service: str, answer: Doc, request_id: str, now: float) -> Doc:
    """The two members for the answer of an optimised integration; none where it tells of none
    (recorded: EventBridge)."""
    if service == "events":
        return {}
    if service == "lambda":
        headers = _of_function(answer, request_id, now)
    elif service == "sns":
        headers = {
            "x-amzn-RequestId": request_id,
            "Content-Length": str(PUBLISHED),
            "Date": formatdate(now, usegmt=True),
            "Content-Type": "text/xml",
        }
    else:
        headers = {
            "x-amzn-RequestId": request_id,
            "connection": "keep-alive",
            "Content-Length": str(len(write(answer).encode())),
            "Date": formatdate(now, usegmt=True),
            "Content-Type": f"application/x-amz-json-{JSON[service]}",
        }
    return {
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [value] for name, value in headers.items()},
            "HttpHeaders": {name: headers[name] for name in sorted(headers, key=str.lower)},
            "HttpStatusCode": answer.get("StatusCode", 200) if service == "lambda" else 200,
        },
        "SdkResponseMetadata": {"RequestId": request_id},
    }


def _of_function(answer: Doc, request_id: str, now: float) -> Doc:
    version = (
        {"X-Amz-Executed-Version": answer["ExecutedVersion"]} if "ExecutedVersion" in answer else {}
    )
    log = {"X-Amz-Log-Result": answer["LogResult"]} if "LogResult" in answer else {}
    trace = {"X-Amzn-Trace-Id": answer["trace"]} if "trace" in answer else {}
    return {
        **log,
        **version,
        "x-amzn-Remapped-Content-Length": "0",
        "Connection": "keep-alive",
        "x-amzn-RequestId": request_id,
        "Content-Length": str(answer.get("length", 0)),
        "Date": formatdate(now, usegmt=True),
        **trace,
        "Content-Type": "application/json",
    }
