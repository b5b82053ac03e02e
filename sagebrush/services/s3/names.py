"""Buckets, keys, versions and part numbers of requests, looked up or refused."""

from __future__ import annotations

import hashlib
import re

from sagebrush.access import dispatch
from sagebrush.aws import regions
from sagebrush.environments import unavailable
from sagebrush.errors import AwsError, Doc
from sagebrush.services.s3 import sample_buckets
from sagebrush.store import catalog
from sagebrush.store.catalog import Bucket, Object, Outside
from sagebrush.store.objects import Blob
from sagebrush.world import Ctx

_ACCOUNT = re.compile(r"\d{12}")


MAX_KEY = 1024
_VERSION_2 = frozenset(
    {
        "us-east-1", "us-west-1", "us-west-2", "eu-west-1", "ap-northeast-1", "ap-southeast-1",
        "ap-southeast-2", "sa-east-1",
    }
)  # fmt: skip
"""Regions whose S3 takes Signature Version 2: those that are older than 2014."""


def reader(ctx: Ctx) -> Outside:
    """The S3 tables, outside any transaction."""
    return Outside(ctx.world.db)


def bucket_of(ctx: Ctx, request: Doc, anywhere: bool = False, *, reads: bool = False) -> Bucket:
    """The bucket that the request names, which is in the context's region unless `anywhere`;
    one of AWS's public sample buckets only if the request `reads` it.

    Raises NoSuchBucket (404); InvalidBucketName (400) for a name that was never allowed (the first
    buckets in us-east-1 had capitals and underscores); what `_elsewhere` says of one of another
    region; and for an `ExpectedBucketOwner` that is another account AccessDenied (403), or that is
    no account InvalidBucketOwnerAWSAccountID (400).
    """
    name = request["Bucket"]
    found = catalog.known_bucket(ctx.world.db, name)
    if found is None or sample_buckets.is_sample(found):
        found = sample_buckets.found(ctx, name, found, reads)
    if found is None and not re.fullmatch(r"[A-Za-z0-9._-]{3,255}", name):
        raise AwsError(
            "InvalidBucketName", "The specified bucket is not valid.", 400, BucketName=name
        )
    if found is None:
        raise no_such_bucket(name)
    if found.region != ctx.region and not anywhere and not sample_buckets.is_sample(found):
        _elsewhere(ctx, found)
    owner = request.get("ExpectedBucketOwner")
    if owner is not None and not _ACCOUNT.fullmatch(owner):
        raise AwsError(
            "InvalidBucketOwnerAWSAccountID",
            "The value of the expected bucket owner parameter must be an AWS account ID",
        )
    if owner is not None and owner != found.account:
        raise AwsError("AccessDenied", "Access Denied", 403)
    return found


def _elsewhere(ctx: Ctx, bucket: Bucket) -> None:
    """Refuses a request in another region than the bucket's, which the error names.

    SDKs sign again for that region and go on (user guide, "Making requests": redirects). Which of
    S3's two errors it is depends on the endpoint, of which we have but one: that for us-east-1
    stands for the global one, whose name leads to the bucket's region. A signature without a region
    (version 2) is good in those that began with it. Raises AuthorizationHeaderMalformed,
    AuthorizationQueryParametersError, InvalidRequest (400) or PermanentRedirect (301).
    """
    origin, region = ctx.origin, bucket.region
    if origin is not None and not origin.region:
        if region in _VERSION_2:
            return
        raise AwsError(
            "InvalidRequest",
            "The authorization mechanism you have provided is not supported. Please use"
            " AWS4-HMAC-SHA256.",
            Region=region,
        )
    wrong = f"the region '{ctx.region}' is wrong; expecting '{region}'"
    if origin is not None and origin.presigned:
        message = f"Error parsing the X-Amz-Credential parameter; {wrong}"
        raise AwsError("AuthorizationQueryParametersError", message, Region=region)
    if origin is not None and ctx.region == regions.GLOBAL:
        message = f"The authorization header is malformed; {wrong}"
        raise AwsError("AuthorizationHeaderMalformed", message, Region=region)
    raise AwsError(
        "PermanentRedirect",
        "The bucket you are attempting to access must be addressed using the specified endpoint."
        " Please send all future requests to this endpoint.",
        301,
        Endpoint=(origin and origin.header("host")) or f"{bucket.name}.s3.{region}.amazonaws.com",
        Bucket=bucket.name,
        Region=region,
    )


def no_such_bucket(name: str) -> AwsError:
    """The error for a bucket that does not exist; of JumpStart's, which SDKs read, it says more."""
    told = unavailable.source(name)
    message = f"The specified bucket does not exist{told and f'.{told}'}"
    return AwsError("NoSuchBucket", message, 404, BucketName=name)


def no_such_key(key: str) -> AwsError:
    """The error for an object that does not exist."""
    return AwsError("NoSuchKey", "The specified key does not exist.", 404, Key=key)


def _unseen(ctx: Ctx, bucket: Bucket, key: str) -> AwsError:
    """The error for an object that is to be read and does not exist.

    Who may not list the bucket is not told that: AccessDenied, 403 (API reference, GetObject and
    HeadObject, Permissions).
    """
    dispatch.authorise(ctx, "s3", "HeadBucket", {"Bucket": bucket.name})
    return no_such_key(key)


def checked_key(key: str) -> str:
    """The key, valid for rows. Raises KeyTooLongError, InvalidURI (400: not Unicode)."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise AwsError("InvalidURI", "Couldn't parse the specified URI.", 400) from error
    if size > MAX_KEY:
        raise AwsError(
            "KeyTooLongError", "Your key is too long", 400, Size=size, MaxSizeAllowed=MAX_KEY
        )
    return key


def object_of(ctx: Ctx, bucket: Bucket, request: Doc) -> Object:
    """The object that the request names, without its bytes. Raises NoSuchKey (404; 403
    where the caller may not list), InvalidArgument."""
    version(request.get("VersionId"))
    found = catalog.find(reader(ctx), bucket.id, checked_key(request["Key"]))
    if found is None:
        raise _unseen(ctx, bucket, request["Key"])
    return found


def version(version_id: str | None) -> None:
    """Refuses (400) a version other than `null`: buckets here are unversioned."""
    if version_id not in (None, "null"):
        raise AwsError(
            "InvalidArgument",
            "Invalid version id specified" if version_id else "Version id cannot be the empty string",
            ArgumentName="versionId", ArgumentValue=version_id,
        )  # fmt: skip


def check_number(number: int) -> int:
    """The part number. Raises InvalidArgument (400) outside 1..10000."""
    if not 1 <= number <= 10000:
        raise AwsError(
            "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive",
            ArgumentName="partNumber", ArgumentValue=number,
        )  # fmt: skip
    return number


def check_count(name: str, number: int) -> None:
    """Raises InvalidArgument (400) for a negative page size."""
    if number < 0:
        raise AwsError(
            "InvalidArgument", f"Argument {name} must be an integer between 0 and 2147483647",
            ArgumentName=name, ArgumentValue=number,
        )  # fmt: skip


def open_object(ctx: Ctx, bucket: Bucket, key: str) -> tuple[Object, Blob]:
    """The object and its bytes, held on disk. Raises NoSuchKey (404; 403 where the caller may
    not list)."""
    tables = reader(ctx)
    for _ in range(10):
        found = catalog.find(tables, bucket.id, checked_key(key), data=True)
        if found is None:
            raise _unseen(ctx, bucket, key)
        if found.content is None:
            return found, Blob(found.size, data=found.data)
        segments = catalog.segments_of(tables, found.content)
        if sum(s.size for s in segments) != found.size:
            continue  # replaced between the two reads
        try:
            return found, ctx.world.objects.open(segments)
        except FileNotFoundError:
            continue
    words = f"The stored bytes of {key!r} are missing or damaged."
    raise AwsError("InternalError", words, 500)


def owner(account: str) -> Doc:
    """The account as S3 names owners: a canonical user id (display names ended in 2025)."""
    return {"ID": hashlib.sha256(account.encode()).hexdigest()}
