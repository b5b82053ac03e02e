"""Where a flywheel's data lake keeps what; and small documents of it, as the flywheel's role sees them.

Source: developer guide, "Flywheel data lakes", and examples of the AWS CLI's `describe-flywheel`,
`describe-dataset` and `describe-flywheel-iteration`. The folders' own names below `model-datasets` and
`staging`, and what is in each, are Sagebrush's: the guide names the folders alone.
"""

from __future__ import annotations

import json

from sagebrush.aws.scalars import json_of
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import requests
from sagebrush.workload import captured
from sagebrush.world import Ctx

TRAINING, TESTING, STATISTICS = "training/", "test/", "model-stats/"
"""Folders of a model version."""
LABELLED, DOCUMENTS, ANNOTATIONS = "documents.csv", "documents/", "annotations.csv"
"""In each of the first two: of a classifier labels and documents; of a recognizer its documents, in one file
of that folder, and their annotations."""
POOL = "documents.jsonl"
"""The documents of a data set, or of a version's test, in Sagebrush's form
(`algorithms/comprehend/flywheels/pool.py`)."""
LARGEST = 8 << 20
"""Bytes of a document that is read from the lake at most: a thousand labels of 5,000 characters."""


def stamp(seconds: float) -> str:
    """The time as AWS writes it in the lake, and in the ids of iterations: `20230616T200543Z`."""
    return moment(seconds).strftime("%Y%m%dT%H%M%SZ")


def place(uri: str, name: str, created: float) -> str:
    """The URI of the flywheel's lake, given that of the request."""
    return f"{uri.rstrip('/')}/{name}/schemaVersion=1/{stamp(created)}/"


def dataset(lake: str, name: str, created: float) -> str:
    """Where a data set is stored."""
    return f"{lake}datasets/{name}/{stamp(created)}/"


def evaluation(lake: str, iteration: str) -> str:
    """Where an iteration stores its evaluation."""
    return f"{lake}evaluation/{iteration}/"


def version(lake: str, name: str) -> str:
    """Where the data of a model version are: `training/`, `test/` and `model-stats/`."""
    return f"{lake}model-datasets/{name}/"


def staging(lake: str, what: str) -> str:
    """Where the programs of the work `what` are told what to do, and tell what they did."""
    return f"{lake}staging/{what}/"


def write(ctx: Ctx, uri: str, document: Doc) -> None:
    """The document is at the URI, stored as the context's caller. Raises AwsError as PutObject does."""
    bucket, key = requests.place(uri)
    captured.put(ctx, bucket, key, json.dumps(document).encode(), "application/json")


def read(ctx: Ctx, uri: str) -> Doc:
    """The document at the URI, read as the context's caller. Raises AwsError as GetObject does, and
    InvalidRequestException for what is no such document: anybody may have written it."""
    bucket, key = requests.place(uri)
    blob = ctx.call("s3", "GetObject", {"Bucket": bucket, "Key": key})["Body"]
    try:
        content = blob.read() if blob.length <= LARGEST else b""
    finally:
        blob.release()
    try:
        found = json_of(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise AwsError("InvalidRequestException", "The data lake was changed from outside.")
    return found
