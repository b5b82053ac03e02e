"""S3 (Service Authorization Reference, "Amazon S3"; S3 user guide, "Required permissions for Amazon
S3 API operations")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qsl

from sagebrush.access import references
from sagebrush.access.actions.entries import (
    Anything,
    Entry,
    Fixed,
    Key,
    Permission,
    RequestTags,
    Table,
    Target,
    Value,
    at,
    given,
    key,
)
from sagebrush.errors import Doc
from sagebrush.store import catalog
from sagebrush.store.catalog import Outside
from sagebrush.world import Ctx

# Resources ----------------------------------------------------------------------------------------


def object_tags(ctx: Ctx, bucket: str, name: str) -> Mapping[str, str]:
    """The tags of the object; none where it does not exist."""
    tables = Outside(ctx.world.db)
    place = catalog.bucket(tables, bucket)
    try:
        name.encode()
    except UnicodeEncodeError:  # no key, as the operation will say
        return {}
    found = catalog.find(tables, place.id, name) if place is not None else None
    return found.doc.get("tags", {}) if found is not None else {}


def _object(ctx: Ctx, bucket: object, name: object, version: object) -> Target:
    return Target(
        f"arn:aws:s3:::{bucket}/{name}",
        partial(object_tags, ctx, str(bucket), str(name)),
        ("s3:existingobjecttag/",),
        {} if version is None else {"s3:versionid": str(version)},
    )


@dataclass(frozen=True)
class Bucket:
    """The bucket itself."""

    kind: str = "bucket"
    members: tuple[str, ...] = ("Bucket",)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        bucket = params.get("Bucket")
        return (Target(f"arn:aws:s3:::{bucket}"),) if bucket is not None else ()


@dataclass(frozen=True)
class Object:
    """The object of `Key`, in the version that the request names."""

    kind: str = "object"
    members: tuple[str, ...] = ("Bucket", "Key")

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        bucket, name = params.get("Bucket"), params.get("Key")
        if bucket is None or name is None:
            return ()
        return (_object(ctx, bucket, name, params.get("VersionId")),)


@dataclass(frozen=True)
class Objects:
    """Each object of a batch; all of the bucket where it names none."""

    kind: str = "object"
    members: tuple[str, ...] = ("Bucket", "Delete.Objects.Key", "Delete.Objects.VersionId")

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        bucket = params.get("Bucket")
        if bucket is None:
            return ()
        entries = at(params, "Delete.Objects")
        found = [_object(ctx, bucket, e.get("Key", ""), e.get("VersionId")) for e in entries]
        return found or [Target(f"arn:aws:s3:::{bucket}/*")]


@dataclass(frozen=True)
class Source:
    """The object that is copied; raises AwsError as the copy would where the source is none."""

    kind: str = "object"
    members: tuple[str, ...] = ("CopySource",)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        text = params.get("CopySource")
        if text is None:
            return ()
        source = references.copy_source(text)
        return (_object(ctx, source.bucket, source.key, source.version),)


BUCKET, OBJECT, OBJECTS, SOURCE = Bucket(), Object(), Objects(), Source()
BUCKETS = Anything("arn:aws:s3:::*")
"""Of ListBuckets: policies say `*`, or this as AWS's own examples do."""

# Keys ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CopiedFrom:
    """`s3:x-amz-copy-source`: bucket and key, decoded, without a leading slash."""

    names: tuple[str, ...] = ("s3:x-amz-copy-source",)
    members: tuple[str, ...] = ("CopySource",)

    def value(self, ctx: Ctx, name: str, params: Doc) -> Value | None:
        if name != self.names[0] or params.get("CopySource") is None:
            return None
        source = references.copy_source(params["CopySource"])
        return f"{source.bucket}/{source.key}"


@dataclass(frozen=True)
class ObjectTags(RequestTags):
    """`s3:RequestObjectTag/…` of the header `x-amz-tagging`, or of a tag set."""

    member: str = "Tagging"
    one: str = "s3:RequestObjectTag/"
    all: str = "s3:RequestObjectTagKeys"

    @property
    def names(self) -> tuple[str, ...]:
        return (f"{self.one}<key>", self.all)

    def tags(self, params: Doc) -> list[tuple[str, str]]:
        if params.get("TaggingDirective", "REPLACE") != "REPLACE":
            return []  # the header says nothing then: the copy has its source's tags
        sent = params.get(self.member.partition(".")[0])
        if isinstance(sent, str):
            return parse_qsl(sent, keep_blank_values=True)
        return super().tags(params)


LISTED = (
    key("s3:prefix", "Prefix"),
    key("s3:delimiter", "Delimiter"),
    key("s3:max-keys", "MaxKeys"),
)
ACL_KEYS = (
    key("s3:x-amz-acl", "ACL"),
    key("s3:x-amz-grant-full-control", "GrantFullControl"),
    key("s3:x-amz-grant-read", "GrantRead"),
    key("s3:x-amz-grant-read-acp", "GrantReadACP"),
    key("s3:x-amz-grant-write-acp", "GrantWriteACP"),
)
BUCKET_ACL_KEYS = (*ACL_KEYS, key("s3:x-amz-grant-write", "GrantWrite"))
ENCRYPTION = (
    key("s3:x-amz-server-side-encryption", "ServerSideEncryption"),
    key("s3:x-amz-server-side-encryption-aws-kms-key-id", "SSEKMSKeyId"),
    key("s3:x-amz-server-side-encryption-customer-algorithm", "SSECustomerAlgorithm"),
)
STORAGE_CLASS = key("s3:x-amz-storage-class", "StorageClass")
LOCK_KEYS = (
    key("s3:object-lock-mode", "ObjectLockMode"),
    key("s3:object-lock-retain-until-date", "ObjectLockRetainUntilDate"),
)
HOLD_KEY = key("s3:object-lock-legal-hold", "ObjectLockLegalHoldStatus")
STORED = (
    *ACL_KEYS,
    *ENCRYPTION,
    *LOCK_KEYS,
    HOLD_KEY,
    STORAGE_CLASS,
    key("s3:x-amz-website-redirect-location", "WebsiteRedirectLocation"),
    ObjectTags(),
)
"""What the headers of a new object say."""
IF_MATCH, IF_NONE_MATCH = key("s3:if-match", "IfMatch"), key("s3:if-none-match", "IfNoneMatch")


def _creates(whether: bool) -> Fixed:
    return Fixed("s3:ObjectCreationOperation", "true" if whether else "false")


# Permissions that depend on the request -----------------------------------------------------------


@dataclass(frozen=True)
class CopiesTags:
    """Holds where a copy takes over its source's tags, and the source has some."""

    members: tuple[str, ...] = ("CopySource", "TaggingDirective")

    def holds(self, ctx: Ctx, params: Doc) -> bool:
        if params.get("TaggingDirective", "COPY") != "COPY" or "CopySource" not in params:
            return False
        source = references.copy_source(params["CopySource"])
        return bool(object_tags(ctx, source.bucket, source.key))


@dataclass(frozen=True)
class SetsTags:
    """Holds where a copy replaces the tags by some of its own."""

    members: tuple[str, ...] = ("Tagging", "TaggingDirective")

    def holds(self, ctx: Ctx, params: Doc) -> bool:
        return params.get("TaggingDirective") == "REPLACE" and bool(params.get("Tagging"))


_GRANTS = ("GrantFullControl", "GrantRead", "GrantReadACP", "GrantWriteACP")
_ACL = Permission(
    "s3:PutObjectAcl", OBJECT, keys=(*ACL_KEYS, STORAGE_CLASS), when=given("ACL", *_GRANTS)
)
_BUCKET_ACL = Permission(
    "s3:PutBucketAcl",
    BUCKET,
    keys=BUCKET_ACL_KEYS,
    when=given("ACL", *_GRANTS, "GrantWrite", but=("private",)),
)
_TAGS = Permission("s3:PutObjectTagging", OBJECT, keys=(ObjectTags(),), when=given("Tagging"))
_RETAINED = Permission(
    "s3:PutObjectRetention",
    OBJECT,
    keys=LOCK_KEYS,
    when=given("ObjectLockMode", "ObjectLockRetainUntilDate"),
)
_HELD = Permission(
    "s3:PutObjectLegalHold", OBJECT, keys=(HOLD_KEY,), when=given("ObjectLockLegalHoldStatus")
)
_READ_SOURCE = Permission("s3:GetObject", SOURCE, versioned="s3:GetObjectVersion")


def _deleting(on: Object | Objects, keys: tuple[Key, ...] = ()) -> Entry:
    """Objects here have no versions; S3 does not delete such an object where either action is
    denied (API Reference, DeleteObjects)."""
    action, other = "s3:DeleteObject", "s3:DeleteObjectVersion"
    return (Permission(action, on, keys, versioned=other, twins=(other,)),)


# The table ----------------------------------------------------------------------------------------


def _about_buckets(**actions: str) -> dict[str, Entry]:
    """Operation -> the action on the bucket that it is; empty for the one of its name."""
    return {name: (Permission(f"s3:{a or name}", BUCKET),) for name, a in actions.items()}


def _about_objects(**actions: str) -> dict[str, Entry]:
    """Operation -> its action on the object, which has a twin for versions."""
    return {
        name: (
            Permission(f"s3:{a}", OBJECT, versioned=f"s3:{a.replace('Object', 'ObjectVersion')}"),
        )
        for name, a in actions.items()
    }


TABLE: Table = {
    "ListBuckets": (Permission("s3:ListAllMyBuckets", BUCKETS),),
    **_about_buckets(
        DeleteBucket="",
        DeleteBucketCors="PutBucketCORS",
        DeleteBucketEncryption="PutEncryptionConfiguration",
        DeleteBucketLifecycle="PutLifecycleConfiguration",
        DeleteBucketOwnershipControls="PutBucketOwnershipControls",
        DeleteBucketPolicy="",
        DeleteBucketTagging="PutBucketTagging",
        DeleteBucketWebsite="",
        DeletePublicAccessBlock="PutBucketPublicAccessBlock",
        GetBucketAccelerateConfiguration="GetAccelerateConfiguration",
        GetBucketAcl="",
        GetBucketCors="GetBucketCORS",
        GetBucketEncryption="GetEncryptionConfiguration",
        GetBucketLifecycleConfiguration="GetLifecycleConfiguration",
        GetBucketLocation="",
        GetBucketLogging="",
        GetBucketNotificationConfiguration="GetBucketNotification",
        GetBucketOwnershipControls="",
        GetBucketPolicy="",
        GetBucketPolicyStatus="",
        GetBucketReplication="GetReplicationConfiguration",
        GetBucketRequestPayment="",
        GetBucketTagging="",
        GetBucketVersioning="",
        GetBucketWebsite="",
        GetObjectLockConfiguration="GetBucketObjectLockConfiguration",
        GetPublicAccessBlock="GetBucketPublicAccessBlock",
        HeadBucket="ListBucket",
        ListMultipartUploads="ListBucketMultipartUploads",
        PutBucketCors="PutBucketCORS",
        PutBucketEncryption="PutEncryptionConfiguration",
        PutBucketLifecycleConfiguration="PutLifecycleConfiguration",
        PutBucketNotificationConfiguration="PutBucketNotification",
        PutBucketOwnershipControls="",
        PutBucketPolicy="",
        PutBucketTagging="",
        PutBucketVersioning="",
        PutBucketWebsite="",
        PutPublicAccessBlock="PutBucketPublicAccessBlock",
    ),
    "CreateBucket": (
        Permission(
            "s3:CreateBucket",
            BUCKET,
            keys=(
                *BUCKET_ACL_KEYS,
                key("s3:locationconstraint", "CreateBucketConfiguration.LocationConstraint"),
                key("s3:x-amz-object-ownership", "ObjectOwnership"),
                key("s3:x-amz-bucket-namespace", "BucketNamespace"),
                RequestTags("CreateBucketConfiguration.Tags"),
            ),
        ),
        _BUCKET_ACL,
        Permission("s3:PutBucketOwnershipControls", BUCKET, when=given("ObjectOwnership")),
        Permission(
            "s3:PutBucketObjectLockConfiguration", BUCKET, when=given("ObjectLockEnabledForBucket")
        ),
        Permission("s3:PutBucketVersioning", BUCKET, when=given("ObjectLockEnabledForBucket")),
        Permission(
            "s3:TagResource",
            BUCKET,
            keys=(RequestTags("CreateBucketConfiguration.Tags"),),
            when=given("CreateBucketConfiguration.Tags"),
        ),
    ),
    "PutBucketAcl": (Permission("s3:PutBucketAcl", BUCKET, keys=BUCKET_ACL_KEYS),),
    "ListObjects": (Permission("s3:ListBucket", BUCKET, keys=LISTED),),
    "ListObjectsV2": (Permission("s3:ListBucket", BUCKET, keys=LISTED),),
    "ListObjectVersions": (Permission("s3:ListBucketVersions", BUCKET, keys=LISTED),),
    **_about_objects(
        DeleteObjectTagging="DeleteObjectTagging",
        GetObject="GetObject",
        GetObjectAcl="GetObjectAcl",
        GetObjectTagging="GetObjectTagging",
        HeadObject="GetObject",
    ),
    "GetObjectAttributes": (
        _about_objects(GetObject="GetObject")["GetObject"][0],
        _about_objects(GetObject="GetObjectAttributes")["GetObject"][0],
    ),
    "PutObjectAcl": (
        Permission(
            "s3:PutObjectAcl",
            OBJECT,
            keys=(*ACL_KEYS, key("s3:x-amz-grant-write", "GrantWrite")),
            versioned="s3:PutObjectVersionAcl",
        ),
    ),
    "PutObjectTagging": (
        Permission(
            "s3:PutObjectTagging",
            OBJECT,
            keys=(ObjectTags("Tagging.TagSet"),),
            versioned="s3:PutObjectVersionTagging",
        ),
    ),
    "DeleteObject": _deleting(OBJECT, (IF_MATCH,)),
    "DeleteObjects": _deleting(OBJECTS),
    "AbortMultipartUpload": (Permission("s3:AbortMultipartUpload", OBJECT),),
    "ListParts": (Permission("s3:ListMultipartUploadParts", OBJECT),),
    "PutObject": (
        Permission("s3:PutObject", OBJECT, keys=(*STORED, IF_MATCH, IF_NONE_MATCH, _creates(True))),
        _ACL,
        _TAGS,
        _RETAINED,
        _HELD,
    ),
    "CreateMultipartUpload": (
        Permission("s3:PutObject", OBJECT, keys=(*STORED, _creates(False))),
        _ACL,
        _TAGS,
        _RETAINED,
        _HELD,
    ),
    "UploadPart": (Permission("s3:PutObject", OBJECT, keys=(ENCRYPTION[2], _creates(False))),),
    "UploadPartCopy": (
        Permission("s3:PutObject", OBJECT, keys=(ENCRYPTION[2], CopiedFrom(), _creates(False))),
        _READ_SOURCE,
    ),
    "CompleteMultipartUpload": (
        Permission(
            "s3:PutObject",
            OBJECT,
            keys=(ENCRYPTION[2], IF_MATCH, IF_NONE_MATCH, _creates(True)),
        ),
    ),
    "CopyObject": (
        Permission(
            "s3:PutObject",
            OBJECT,
            keys=(
                *STORED,
                CopiedFrom(),
                key("s3:x-amz-metadata-directive", "MetadataDirective"),
                IF_MATCH,
                IF_NONE_MATCH,
                _creates(True),
            ),
        ),
        _READ_SOURCE,
        _ACL,
        Permission("s3:PutObjectTagging", OBJECT, keys=(ObjectTags(),), when=SetsTags()),
        Permission(
            "s3:GetObjectTagging",
            SOURCE,
            when=CopiesTags(),
            versioned="s3:GetObjectVersionTagging",
        ),
        Permission("s3:PutObjectTagging", OBJECT, keys=(ObjectTags(),), when=CopiesTags()),
        _RETAINED,
        _HELD,
    ),
}
