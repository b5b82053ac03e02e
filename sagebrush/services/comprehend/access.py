"""Whether a data access role can read what is read as it, and write what is written, asked before anything
runs.

The messages are AWS's, as its CLI's examples have them and a public scanner of accounts recorded them.
"""

from __future__ import annotations

from sagebrush.access import dispatch
from sagebrush.errors import AwsError
from sagebrush.services.comprehend.requests import place
from sagebrush.world import Ctx

NO_READ = (
    "NO_READ_ACCESS_TO_INPUT: The provided data access role does not have proper access to the input"
    " data."
)
NO_WRITE = (
    "NO_WRITE_ACCESS_TO_OUTPUT: The provided data access role does not have write access to the output"
    " S3 URI or it does not have access to the output S3 KMS Key."
)
NOTHING = "NO_INPUT_DATA: No object's key begins with the S3 URI of the input."
"""Sagebrush's words."""


def unreadable(ctx: Ctx, uri: str) -> str:
    """Why the context's role cannot read what the URI begins, as a Message; "" where it can. Raises
    AwsError for what may pass (5xx)."""
    bucket, prefix = place(uri)
    try:
        wanted = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": 1}
        found = ctx.call("s3", "ListObjectsV2", wanted).get("Contents")
        if not found:
            return NOTHING
        dispatch.authorise(ctx, "s3", "GetObject", {"Bucket": bucket, "Key": found[0]["Key"]})
    except AwsError as error:
        return _refused(error, NO_READ)
    return ""


def unwritable(ctx: Ctx, uri: str) -> str:
    """The same of an object that is to be written."""
    bucket, key = place(uri)
    try:
        ctx.call("s3", "HeadBucket", {"Bucket": bucket})
    except AwsError as error:
        if error.status != 403:  # who may only write objects may not look at the bucket
            return _refused(error, NO_WRITE)
    try:
        dispatch.authorise(ctx, "s3", "PutObject", {"Bucket": bucket, "Key": key})
    except AwsError as error:
        return _refused(error, NO_WRITE)
    return ""


def _refused(error: AwsError, words: str) -> str:
    if error.status >= 500:
        raise error
    return words
