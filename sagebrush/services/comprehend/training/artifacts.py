"""What trained models are made of, as objects of a bucket of Comprehend's own account in each region.

Nobody else has that bucket: no policy of it lets another account in, no user is of that account, and its
name has a part that the data directory alone can make, so nobody can take it first. Whoever trains a
model, as a user's role, stores it by URLs that are signed for one object each.
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagebrush.aws import regions
from sagebrush.credentials import UserSession
from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import fleet
from sagebrush.services.comprehend.requests import place
from sagebrush.services.comprehend.training.plan import plan_of
from sagebrush.settings import COMPREHEND
from sagebrush.store.rows import Row
from sagebrush.world import World

MODEL, METADATA = "model.tar.gz", "metadata.json"
SECONDS = 7 * 24 * 3600
"""How long a URL is good for: as long as S3 lets one be."""
HOST = "localhost"
"""The name of this server that URLs are signed for, whatever address it is reached by: programs send it
as their Host header."""
PREFIX, DIGITS = "comprehend-models-", 20
PURPOSE = b"comprehend models"


def bucket(world: World, region: str) -> str:
    """The name of the region's bucket."""
    sealed = world.credentials.seal(PURPOSE, region.encode())
    return f"{PREFIX}{region}-{hashlib.sha256(sealed.encode()).hexdigest()[:DIGITS]}"


def prefix(row: Row) -> str:
    """What the keys of the model's artifacts begin with: no other model's, of that name or another."""
    return f"{row.account}/{row.kind}/{plan_of(row).get('id', '')}/"


def uri(world: World, row: Row, name: str = MODEL) -> str:
    """Where the artifact is."""
    return f"s3://{bucket(world, row.region)}/{prefix(row)}{name}"


def put_url(world: World, row: Row, name: str) -> str:
    """A URL that takes the model's artifact of that name by PUT, for SECONDS; the bucket is there."""
    _create(world, row.region)
    return _signed(world, "PUT", uri(world, row, name))


def get_url(world: World, key: str) -> str:
    """A URL that gives an artifact by GET, for SECONDS; `key` is its S3 URI, as in `Plan.model`."""
    return _signed(world, "GET", key)


def read(world: World, row: Row, name: str) -> bytes | None:
    """The model's artifact; None where it was not stored. Raises AwsError for what may pass (5xx)."""
    found = _call(world, row.region, "GetObject", {"Key": prefix(row) + name})
    if found is None:
        return None
    body = found["Body"]
    try:
        return body.read()
    finally:
        body.release()


def exists(world: World, row: Row, name: str) -> bool:
    """Whether the model's artifact was stored."""
    return _call(world, row.region, "HeadObject", {"Key": prefix(row) + name}) is not None


def copy(world: World, source: str, row: Row) -> bool:
    """The model's artifacts are those whose keys begin with `source`; False where those are gone."""
    _create(world, row.region)
    for name in (MODEL, METADATA):
        where = quote(f"{bucket(world, row.region)}/{source}{name}")
        wanted = {"Key": prefix(row) + name, "CopySource": where}
        if _call(world, row.region, "CopyObject", wanted) is None:
            return False
    return True


def delete(world: World, row: Row) -> None:
    """The model has no artifacts. Repeatable."""
    while True:
        page = _call(world, row.region, "ListObjectsV2", {"Prefix": prefix(row)}) or {}
        for each in page.get("Contents", ()):
            _call(world, row.region, "DeleteObject", {"Key": each["Key"]})
        if not page.get("IsTruncated"):
            return


def _call(world: World, region: str, operation: str, request: Doc) -> Doc | None:
    """S3's answer about the region's bucket; None for what is not there."""
    wanted = {"Bucket": bucket(world, region), "ExpectedBucketOwner": COMPREHEND, **request}
    try:
        return fleet.ctx(world, region).call("s3", operation, wanted)
    except AwsError as error:
        if error.status != 404:
            raise
        return None


def _create(world: World, region: str) -> None:
    """The region's bucket is there."""
    if _call(world, region, "HeadBucket", {}) is not None:
        return
    wanted: Doc = {"Bucket": bucket(world, region)}
    if region != regions.GLOBAL:
        wanted["CreateBucketConfiguration"] = {"LocationConstraint": region}
    try:
        fleet.ctx(world, region).call("s3", "CreateBucket", wanted)
    except AwsError as error:
        if error.code != "BucketAlreadyOwnedByYou":  # another step was faster
            raise


def _signed(world: World, method: str, where: str) -> str:
    """The URL for one request to one object.

    Its credentials are a session of the account itself that may do that and nothing else, and ends with
    the URL.
    """
    name, key = place(where)
    action = {"PUT": "s3:PutObject", "GET": "s3:GetObject"}[method]
    allowed = {"Effect": "Allow", "Action": action, "Resource": f"arn:aws:s3:::{name}/{key}"}
    policy = {"Version": "2012-10-17", "Statement": [allowed]}
    root = f"arn:aws:iam::{COMPREHEND}:root"
    session = UserSession(policies=(policy,), user_arn=root, user_id=COMPREHEND)
    made = world.credentials.issue(session, SECONDS)
    request = AWSRequest(method, f"http://{HOST}/{name}/{quote(key)}")
    keys = Credentials(made.access_key, made.secret, made.token)
    region = name.removeprefix(PREFIX)[: -DIGITS - 1]
    S3SigV4QueryAuth(keys, "s3", region, expires=SECONDS).add_auth(request)
    return str(request.url)
