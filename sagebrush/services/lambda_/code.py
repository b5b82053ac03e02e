"""The code that requests bring: zip files, inline or in S3, and images.

Source: Lambda API reference, FunctionCode and LayerVersionContentInput; "Lambda quotas".
"""

from __future__ import annotations

import base64
from typing import Any

from sagebrush.errors import AwsError, Doc
from sagebrush.services.lambda_ import faults, limits, rows
from sagebrush.store.packages import NoPackage, Package, TooLarge
from sagebrush.world import Ctx


def taken(ctx: Ctx, given: Doc) -> Package:
    """The package that a request brings is on disk, once, by its SHA-256.

    Raises InvalidParameterValueException, also with what S3 says, and CodeStorageExceededException.
    """
    if given.get("S3ObjectStorageMode", "COPY") != "COPY":
        raise faults.unsupported("code that stays in S3 (S3ObjectStorageMode)")
    if given.get("SourceKMSKeyArn"):
        raise faults.unsupported("encryption by AWS KMS (SourceKMSKeyArn)")
    return kept(ctx, _bytes(ctx, given))


def kept(ctx: Ctx, data: bytes) -> Package:
    """The package is on disk. Raises InvalidParameterValueException."""
    if not data:
        raise faults.invalid("Uploaded file must be a non-empty zip")
    if rows.stored(ctx.world, ctx.account, ctx.region) + len(data) > limits.STORAGE:
        words = "Code storage limit exceeded."
        raise AwsError("CodeStorageExceededException", words, Type="User")
    try:
        return rows.packages(ctx.world).put(data)
    except NoPackage as error:
        raise faults.invalid(
            "Could not unzip uploaded file. Please check your file, then try to upload again."
        ) from error
    except TooLarge as error:
        raise faults.invalid(
            f"Unzipped size must be smaller than {limits.UNZIPPED} bytes"
        ) from error


def _bytes(ctx: Ctx, given: Doc) -> bytes:
    zipped: Any = given.get("ZipFile")
    bucket, key = given.get("S3Bucket"), given.get("S3Key")
    if zipped is not None and (bucket or key):
        raise faults.invalid(
            "Please do not provide other FunctionCode parameters when providing a ZipFile."
        )
    if zipped is not None:
        data = zipped if isinstance(zipped, bytes) else bytes(zipped)
        if len(data) > limits.ZIPPED:
            raise _too_large_zip()
        return data
    if not bucket or not key:
        raise faults.invalid("Please provide a source for function code.")
    params = {"Bucket": bucket, "Key": key}
    if given.get("S3ObjectVersion"):
        params["VersionId"] = given["S3ObjectVersion"]
    try:
        body = ctx.call("s3", "GetObject", params)["Body"]
    except AwsError as error:
        raise faults.invalid(
            f"Error occurred while GetObject. S3 Error Code: {error.code}. S3 Error Message:"
            f" {error.message}"
        ) from error
    if isinstance(body, bytes):
        return body
    if body.length > limits.UNZIPPED:
        body.release()
        raise faults.invalid(f"Unzipped size must be smaller than {limits.UNZIPPED} bytes")
    try:
        return body.read()
    finally:
        body.release()


def _too_large_zip() -> AwsError:
    return AwsError(
        "RequestEntityTooLargeException",
        f"Request must be smaller than {limits.REQUEST} bytes for the CreateFunction operation",
        413,
    )


def sha256(package: Package) -> str:
    """CodeSha256: base64 of the digest."""
    return base64.b64encode(bytes.fromhex(package.sha256)).decode()
