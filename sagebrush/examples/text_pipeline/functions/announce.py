"""A Lambda function: what EventBridge tells of an endpoint is written to S3."""

from __future__ import annotations

import json
import os

import boto3

s3 = boto3.client("s3")


def handler(event: dict, context: object) -> str:
    """The event lies in the bucket, under the endpoint's name; the same event twice is one file."""
    key = f"announced/{event['detail']['EndpointName']}.json"
    s3.put_object(Bucket=os.environ["BUCKET"], Key=key, Body=json.dumps(event).encode())
    return key
