"""Requests to Comprehend in each of its protocols, byte by byte: boto3 chooses one of them itself."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from sagebrush.aws import models
from tests.conftest import Server
from tests.protocol import wire

CBOR = "smithy-rpc-v2-cbor"
TARGET = "Comprehend_20171127"


def in_json(server: Server, operation: str, body: bytes) -> tuple[int, Any]:
    """The status and the document of the answer to a body of JSON, whatever it is."""
    headers = {
        "X-Amz-Target": f"{TARGET}.{operation}",
        "Content-Type": "application/x-amz-json-1.1",
    }
    status, _, said = _answer(server, "/", headers, body)
    return status, json.loads(said)


def in_cbor(server: Server, operation: str, params: dict[str, Any]) -> Any:
    """The answer as botocore reads it."""
    model: Any = models.model("comprehend").operation_model(operation)
    made = create_serializer(CBOR).serialize_to_request(params, model)
    path = f"/service/{TARGET}/operation/{operation}"
    status, headers, said = _answer(server, path, dict(made["headers"]), made["body"])
    assert headers["smithy-protocol"] == "rpc-v2-cbor"
    whole = {"status_code": status, "headers": headers, "body": said}
    return create_parser(CBOR).parse(whole, model.output_shape)


def _answer(
    server: Server, path: str, headers: dict[str, str], body: bytes
) -> tuple[int, Any, bytes]:
    signed = wire.headers(server, "POST", path, headers, "comprehend", body)
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    try:
        connection.request("POST", path, body, signed)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()
