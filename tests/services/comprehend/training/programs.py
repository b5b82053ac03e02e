"""Programs that stand for the one that trains: they store what was never learnt, as that one stores."""

from __future__ import annotations

STORES = """
import json, os, pathlib, sys, tempfile
from comprehend import storage
from comprehend.custom import order, train, uploads
from comprehend.custom.trained import Trained
asked = order.read(sys.argv[1:])
found = {"NumberOfLabels": 2, "EvaluationMetrics": {"Accuracy": 0.5}}
trained = Trained(found, {"custom.json": b"{}"}, {"confusion_matrix.json": b"[]"})
train.store(asked, trained, storage.connect(), pathlib.Path(tempfile.mkdtemp()), uploads.put)
"""
"""Stores a model at once."""
PRIES = (
    STORES
    + """
import http.client, urllib.parse
import boto3
signed, to = urllib.parse.urlsplit(asked.model), urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
bucket, key = signed.path.lstrip("/").split("/", 1)
client, said = boto3.client("s3"), []
def tried(call, **more):
    try:
        call(Bucket=bucket, **more)
        said.append("yes")
    except Exception as error:
        said.append(error.response["Error"]["Code"])
tried(client.get_object, Key=key)
tried(client.put_object, Key=key, Body=b"another")
tried(client.list_objects_v2)
tried(client.delete_object, Key=key)
for method, path in (("GET", signed.path), ("PUT", signed.path + "x"), ("DELETE", signed.path)):
    there = http.client.HTTPConnection(to.netloc)
    there.request(method, f"{path}?{signed.query}", b"", {"Host": signed.netloc})
    said.append(there.getresponse().status)
client.put_object(Bucket="bucket", Key="pried", Body=json.dumps(said).encode())
"""
)
"""The same, and writes to `s3://bucket/pried` what the role, and the signed URL, were good for besides."""
PROGRAM = (
    "python3",
    "-c",
    "import boto3; exec(boto3.client('s3').get_object(Bucket='bucket', Key='program')['Body'].read())",
)
"""The entry point that runs the text which is `s3://bucket/program`: an argument cannot have it."""
