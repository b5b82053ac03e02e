"""Comprehend's synchronous operations through the API: latency of a warm server, and texts a second.

    python benchmarks/comprehend_api.py [--models FOLDER] [--seconds S] [--isolation sandbox|process]

Each operation reads the same text of 200 characters, one request after the other: by a lean client (a
prepared signature on one kept-alive socket), and by boto3, which many use. `GetCallerIdentity` by the
same lean client is what a request costs that reads no text. Then BatchDetectSentiment with 25 texts. The
server is a process of its own, as `sagebrush up` has it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

import boto3.session
import invoke
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

TEXT = (
    "Maria Lopez moved from Berlin to Seattle on March 3, 2021 and loves her new job at Amazon, but the"
    " rent of $2,000 is horrible. Write to maria@example.com or call 206-555-0100 for the details now."
)[:200]
OPERATIONS = (
    "DetectSentiment",
    "DetectEntities",
    "DetectPiiEntities",
    "DetectKeyPhrases",
    "DetectSyntax",
    "DetectTargetedSentiment",
    "DetectDominantLanguage",
)


def signed(port: int, credentials: Credentials, operation: str, body: dict[str, Any]) -> bytes:
    """The request with its signature, ready to be sent again and again."""
    url, data = f"http://127.0.0.1:{port}/", json.dumps(body).encode()
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"Comprehend_20171127.{operation}",
    }
    return _sent(
        port, credentials, AWSRequest("POST", url, headers=headers, data=data), "comprehend"
    )


def identity(port: int, credentials: Credentials) -> bytes:
    """GetCallerIdentity, in the same way."""
    data = b"Action=GetCallerIdentity&Version=2011-06-15"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    request = AWSRequest("POST", f"http://127.0.0.1:{port}/", headers=headers, data=data)
    return _sent(port, credentials, request, "sts")


def _sent(port: int, credentials: Credentials, request: AWSRequest, service: str) -> bytes:
    SigV4Auth(credentials, service, "us-east-1").add_auth(request)
    data: Any = request.data
    fields = {"Host": f"127.0.0.1:{port}", "Content-Length": str(len(data)), **request.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST / HTTP/1.1\r\n{head}\r\n".encode() + data


def boto(client: Any, operation: str, seconds: float) -> list[float]:
    """Latencies of boto3's client, in seconds."""
    from botocore import xform_name

    call = getattr(client, xform_name(operation))
    given = {} if operation == "DetectDominantLanguage" else {"LanguageCode": "en"}
    until, found = time.perf_counter() + seconds, list[float]()
    while (begun := time.perf_counter()) < until:
        call(Text=TEXT, **given)
        found.append(time.perf_counter() - begun)
    return found


def row(name: str, found: list[float]) -> str:
    """Its p50, p95 and rate."""
    ordered = sorted(found)
    late = ordered[int(len(ordered) * 0.95)]
    return f"{name:<36}{statistics.median(ordered) * 1e3:>9.2f}{late * 1e3:>9.2f}{len(found):>9}"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=os.environ.get("SAGEBRUSH_MODELS", ""))
    parser.add_argument("--seconds", type=float, default=3.0, help="for each row")
    parser.add_argument("--isolation", default="sandbox", choices=("sandbox", "process"))
    args = parser.parse_args()
    if args.models:  # the server that is begun reads its settings from its environment
        os.environ["SAGEBRUSH_MODELS"] = str(Path(args.models).resolve())
    print(f"a text of {len(TEXT)} characters{'p50 ms':>19}{'p95 ms':>9}{'requests':>9}")
    with invoke.server(args.isolation) as (_, (_, port, key, secret)):
        credentials = Credentials(key, secret)
        client = boto3.session.Session().client(
            "comprehend",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            region_name="us-east-1",
        )
        begun = time.perf_counter()
        client.detect_sentiment(Text=TEXT, LanguageCode="en")
        first = time.perf_counter() - begun
        lean("GetCallerIdentity, lean", port, identity(port, credentials), args.seconds)
        for operation in OPERATIONS:
            body = {"Text": TEXT}
            if operation != "DetectDominantLanguage":
                body["LanguageCode"] = "en"
            request = signed(port, credentials, operation, body)
            lean(f"{operation}, lean", port, request, args.seconds)
            print(row(f"{operation}, boto3", boto(client, operation, args.seconds)))
        many = {"TextList": [TEXT] * 25, "LanguageCode": "en"}
        request = signed(port, credentials, "BatchDetectSentiment", many)
        found = lean("BatchDetectSentiment of 25, lean", port, request, args.seconds)
        print(f"texts a second in batches of 25: {25 / statistics.median(found):.0f}")
        print(f"the first request, which begins the models' process: {first:.2f} s")


def lean(name: str, port: int, request: bytes, seconds: float) -> list[float]:
    """The latencies of one lean client, after a few requests that are not counted; printed."""
    way = invoke.Way(name, f"tcp:127.0.0.1:{port}", request)
    invoke.load(way, 1, seconds / 6)
    found = invoke.load(way, 1, seconds)
    print(row(name, found))
    return found


if __name__ == "__main__":
    main()
