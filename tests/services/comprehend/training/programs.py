"""Programs that stand for the one that trains, with its orders and its way to store what it made."""

from __future__ import annotations

STORES = """
import base64, http.client, json, os, sys, time, urllib.parse
order = json.loads(base64.urlsafe_b64decode("".join(sys.argv[1:])))
def put(url, body):
    signed, to = urllib.parse.urlsplit(url), urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
    there = http.client.HTTPConnection(to.netloc)
    there.request("PUT", f"{signed.path}?{signed.query}", body, {"Host": signed.netloc})
    answer = there.getresponse()
    said = answer.read()
    if answer.status != 200:
        sys.exit(f"{answer.status} {said}")
put(order["Model"], b"a model")
put(order["Metadata"], json.dumps({"NumberOfLabels": 2, "EvaluationMetrics": {"Accuracy": 0.5}}).encode())
"""
"""Stores a model at once."""
PRIES = (
    STORES
    + """
import boto3
bucket, key = urllib.parse.urlsplit(order["Model"]).path.lstrip("/").split("/", 1)
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
signed, to = urllib.parse.urlsplit(order["Model"]), urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
for method, path in (("GET", signed.path), ("PUT", signed.path + "x"), ("DELETE", signed.path)):
    there = http.client.HTTPConnection(to.netloc)
    there.request(method, f"{path}?{signed.query}", b"", {"Host": signed.netloc})
    said.append(there.getresponse().status)
client.put_object(Bucket="bucket", Key="pried", Body=json.dumps(said).encode())
"""
)
"""The same, and writes to `s3://bucket/pried` what the role, and the signed URL, were good for besides."""
WAITS = "import time\ntime.sleep(600)\n"
"""Ends when it is told to."""


PROGRAM = (
    "python3",
    "-c",
    "import boto3; exec(boto3.client('s3').get_object(Bucket='bucket', Key='program')['Body'].read())",
)
"""The entry point that runs the text which is `s3://bucket/program`: an argument cannot have it."""
