"""S3 buckets: create, list, locate, delete, and what is stored about them by topic."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from sagebrush.aws import regions
from sagebrush.aws.regions import GLOBAL
from sagebrush.errors import AwsError, Doc
from sagebrush.services.s3 import bodies, metadata, names, sample_buckets
from sagebrush.store import catalog
from sagebrush.store.catalog import Bucket
from sagebrush.store.db import Tx
from sagebrush.world import Ctx, Operation

EUROPE = "EU"
"""The old location constraint of buckets in eu-west-1."""
_PAGE = 10_000
"""Buckets on a page of a list unless the request says how many."""
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_NOT_FIRST = ("xn--", "sthree-", "amzn-s3-demo-")
_NOT_LAST = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def check_name(name: str) -> None:
    """Raises InvalidBucketName (400) when S3 has no bucket of that name (user guide, "naming
    rules")."""
    good = _NAME.fullmatch(name) and not any(pair in name for pair in ("..", ".-", "-."))
    if good:
        try:
            IPv4Address(name)
            good = None
        except AddressValueError:
            pass
    if not good or name.startswith(_NOT_FIRST) or name.endswith(_NOT_LAST):
        raise AwsError(
            "InvalidBucketName", "The specified bucket is not valid.", 400, BucketName=name
        )


def create_bucket(ctx: Ctx, request: Doc) -> Doc:
    """The bucket exists, in the region of its location constraint or, without one, in us-east-1.

    In us-east-1 its owner may create it again. Raises BucketAlreadyOwnedByYou, BucketAlreadyExists
    (409), InvalidLocationConstraint, IllegalLocationConstraintException (400) and what `check_name`
    raises.
    """
    name = request["Bucket"]
    check_name(name)
    _refuse_acl(request)
    metadata.refuse(request)
    if request.get("ObjectLockEnabledForBucket"):
        raise metadata.not_implemented("Object Lock")
    settings = request.get("CreateBucketConfiguration") or {}
    if settings.get("Location") or settings.get("Bucket"):
        raise metadata.not_implemented("A directory bucket")
    region = _region(ctx, settings.get("LocationConstraint"))
    config: Doc = {}
    if settings.get("LocationConstraint") == EUROPE:
        config["Location"] = EUROPE
    if "ObjectOwnership" in request:
        config["OwnershipControls"] = {"Rules": [{"ObjectOwnership": request["ObjectOwnership"]}]}
    if settings.get("Tags"):
        config["Tagging"] = {"TagSet": _tag_set(settings["Tags"])}
    new = Bucket(0, ctx.account, name, region, ctx.world.clock(), config)

    sample_buckets.may_take(ctx, name)

    def change(tx: Tx) -> None:
        there = catalog.bucket(tx, name)
        if there is None or sample_buckets.given_up(tx, name):
            catalog.add_bucket(tx, new)
        elif there.account != ctx.account:
            raise AwsError(
                "BucketAlreadyExists",
                "The requested bucket name is not available. The bucket namespace is shared by all"
                " users of the system. Please select a different name and try again.",
                409, BucketName=name,
            )  # fmt: skip
        elif {there.region, region, ctx.region} != {GLOBAL}:
            raise AwsError(
                "BucketAlreadyOwnedByYou",
                "Your previous request to create the named bucket succeeded and you already own it.",
                409, BucketName=name,
            )  # fmt: skip

    ctx.world.db.write(change)
    where = f"/{name}" if region == GLOBAL else f"http://{name}.s3.amazonaws.com/"
    return {"Location": where}


def _refuse_acl(request: Doc) -> None:
    """Raises for an access list of a new bucket, which S3 has only where objects may have
    owners."""
    if request.get("ACL", "private") == "private" and not any(
        n.startswith("Grant") for n in request
    ):
        return
    if request.get("ObjectOwnership", "BucketOwnerEnforced") != "BucketOwnerEnforced":
        raise metadata.not_implemented("An access control list (ACL)")
    raise AwsError(
        "InvalidBucketAclWithObjectOwnership",
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
    )


def _region(ctx: Ctx, asked: str | None) -> str:
    """Where a new bucket is, by its location constraint.

    A request that is signed for us-east-1 comes to S3's global endpoint, which makes buckets in any
    region; another region's endpoint does in its own alone. Raises InvalidLocationConstraint,
    IllegalLocationConstraintException (400).
    """
    region = "eu-west-1" if asked == EUROPE else asked or GLOBAL
    if ctx.region != GLOBAL and (region != ctx.region or not asked):
        raise AwsError(
            "IllegalLocationConstraintException",
            f"The {asked or 'unspecified'} location constraint is incompatible for the region"
            " specific endpoint this request was sent to.",
        )
    if asked == GLOBAL or not _served(ctx, region):
        raise AwsError(
            "InvalidLocationConstraint", "The specified location-constraint is not valid",
            LocationConstraint=asked or "",
        )  # fmt: skip
    return region


def _served(ctx: Ctx, region: str) -> bool:
    """Whether buckets can be in the region."""
    return region in regions.served() or region == ctx.world.settings.region


def head_bucket(ctx: Ctx, request: Doc) -> Doc:
    """The bucket's region."""
    found = names.bucket_of(ctx, request, reads=True)
    return {"BucketRegion": found.region}


def delete_bucket(ctx: Ctx, request: Doc) -> None:
    """The bucket is deleted. Raises BucketNotEmpty (409)."""
    found = names.bucket_of(ctx, request)
    try:
        freed = ctx.world.db.write(lambda tx: catalog.remove_bucket(tx, found.id))
    except LookupError as error:  # deleted concurrently by another request
        raise names.no_such_bucket(found.name) from error
    if freed is None:
        raise AwsError(
            "BucketNotEmpty", "The bucket you tried to delete is not empty", 409,
            BucketName=found.name,
        )  # fmt: skip
    ctx.world.objects.discard(freed)


def list_buckets(ctx: Ctx, request: Doc) -> Doc:
    """A page of the account's buckets by name, of every region or of `BucketRegion`; all of them
    where the request has no parameter.

    As in S3, their region is included where the request has one, and a page is then of 10,000 at
    most (API reference, ListBuckets). Raises InvalidArgument (400) for what is no region of AWS's;
    the words are not documented.
    """
    if not 1 <= request.get("MaxBuckets", 1) <= 10000:
        raise AwsError(
            "InvalidArgument", "Argument max-buckets must be an integer between 1 and 10000",
            ArgumentName="max-buckets", ArgumentValue=request["MaxBuckets"],
        )  # fmt: skip
    region = request.get("BucketRegion")
    if region is not None and not _served(ctx, region):
        raise AwsError(
            "InvalidArgument", f"Argument value {region} is not a valid AWS Region",
            ArgumentName="bucket-region",
        )  # fmt: skip
    most = request.get("MaxBuckets", _PAGE if request else 1_000_000)
    prefix = request.get("Prefix", "")
    after = request.get("ContinuationToken", "")
    seeding = sample_buckets.seeding(ctx)
    account = sample_buckets.OWNER if seeding else ctx.account
    rows = catalog.buckets(names.reader(ctx), account, prefix, after, most + 1, region)
    result: Doc = {
        "Buckets": [
            {
                "Name": b.name,
                "CreationDate": metadata.time(b.created),
                **({"BucketRegion": b.region} if request else {}),
            }
            for b in rows[:most]
        ],
        "Owner": names.owner(ctx.account),
    }
    if prefix:
        result["Prefix"] = prefix
    if len(rows) > most:
        result["ContinuationToken"] = rows[most - 1].name
    return result


def get_bucket_location(ctx: Ctx, request: Doc) -> Doc:
    """The bucket's location constraint, asked in any region; null in us-east-1, as S3 answers."""
    found = names.bucket_of(ctx, request, anywhere=True, reads=True)
    asked = found.config.get("Location", found.region)
    return {} if asked == GLOBAL else {"LocationConstraint": asked}


def get_bucket_versioning(ctx: Ctx, request: Doc) -> Doc:
    """Nothing: no bucket here has versions."""
    return dict(names.bucket_of(ctx, request).config.get("Versioning", {}))


def put_bucket_versioning(ctx: Ctx, request: Doc) -> None:
    """Raises NotImplemented (501) for `Enabled`; `Suspended` is what buckets are anyway."""
    bucket = names.bucket_of(ctx, request)
    asked = request["VersioningConfiguration"]
    if "Status" not in asked:
        raise AwsError(
            "IllegalVersioningConfigurationException", "The Versioning element must be specified"
        )
    if asked.get("Status") == "Enabled" or asked.get("MFADelete") == "Enabled":
        raise metadata.not_implemented("Bucket versioning")
    _store(ctx, bucket, "Versioning", {"Status": "Suspended"})


def get_bucket_acl(ctx: Ctx, request: Doc) -> Doc:
    """The owner has full control; nothing else can be granted."""
    person = names.owner(names.bucket_of(ctx, request).account)
    grantee = {"Type": "CanonicalUser", **person}
    return {"Owner": person, "Grants": [{"Grantee": grantee, "Permission": "FULL_CONTROL"}]}


def put_bucket_acl(ctx: Ctx, request: Doc) -> None:
    """Refuses any access list but the owner's own."""
    names.bucket_of(ctx, request)
    metadata.refuse(request)
    if "AccessControlPolicy" in request:
        raise AwsError("AccessControlListNotSupported", "The bucket does not allow ACLs")


def get_bucket_request_payment(ctx: Ctx, request: Doc) -> Doc:
    """The owner pays, always."""
    names.bucket_of(ctx, request)
    return {"Payer": "BucketOwner"}


def get_bucket_logging(ctx: Ctx, request: Doc) -> Doc:
    """Nothing: access logs to a bucket are not written."""
    names.bucket_of(ctx, request)
    return {}


def get_bucket_accelerate_configuration(ctx: Ctx, request: Doc) -> Doc:
    """Nothing: there is no acceleration."""
    names.bucket_of(ctx, request)
    return {}


# ---- configurations that are only stored and returned


@dataclass(frozen=True)
class _Topic:
    """A configuration returned as it was sent. `member` is Put's parameter; Get answers its
    members."""

    name: str
    member: str
    code: str
    message: str
    wrapped: bool = False
    """Get answers the whole under `member` rather than its members."""
    default: Doc | None = None
    check: Callable[[Doc], Doc] = lambda value: value


def _tag_set(tags: list[Doc]) -> list[Doc]:
    return [{"Key": k, "Value": v} for k, v in metadata.check_tags(tags, most=50).items()]


def _checked_tagging(value: Doc) -> Doc:
    tags = _tag_set(value.get("TagSet", []))
    return {"TagSet": tags} if tags else {}  # no tags are no tag set


_ENABLED_ALL: Doc = dict.fromkeys(
    ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
)
_TAGGING = _Topic(
    "Tagging", "Tagging", "NoSuchTagSet", "The TagSet does not exist", check=_checked_tagging
)
_TOPICS = {
    "BucketTagging": _TAGGING,
    "BucketCors": _Topic(
        "Cors", "CORSConfiguration", "NoSuchCORSConfiguration",
        "The CORS configuration does not exist",
    ),
    "BucketEncryption": _Topic(
        "Encryption", "ServerSideEncryptionConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
        "The server side encryption configuration was not found", wrapped=True,
    ),
    "BucketOwnershipControls": _Topic(
        "OwnershipControls", "OwnershipControls", "OwnershipControlsNotFoundError",
        "The bucket ownership controls were not found", wrapped=True,
        default={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
    ),
    "PublicAccessBlock": _Topic(
        "PublicAccessBlock", "PublicAccessBlockConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        "The public access block configuration was not found", wrapped=True,
        default=_ENABLED_ALL,
    ),
    "BucketWebsite": _Topic(
        "Website", "WebsiteConfiguration", "NoSuchWebsiteConfiguration",
        "The specified bucket does not have a website configuration",
    ),
}  # fmt: skip
_LIFECYCLE = _Topic(
    "Lifecycle", "LifecycleConfiguration", "NoSuchLifecycleConfiguration",
    "The lifecycle configuration does not exist",
)  # fmt: skip


def get_bucket_replication(ctx: Ctx, request: Doc) -> Doc:
    """Raises ReplicationConfigurationNotFoundError (404): nothing is replicated."""
    bucket = names.bucket_of(ctx, request)
    raise AwsError(
        "ReplicationConfigurationNotFoundError", "The replication configuration was not found",
        404, BucketName=bucket.name,
    )  # fmt: skip


def get_object_lock_configuration(ctx: Ctx, request: Doc) -> Doc:
    """Raises ObjectLockConfigurationNotFoundError (404): there are no locks."""
    bucket = names.bucket_of(ctx, request)
    raise AwsError(
        "ObjectLockConfigurationNotFoundError",
        "Object Lock configuration does not exist for this bucket", 404, BucketName=bucket.name,
    )  # fmt: skip


def _store(ctx: Ctx, bucket: Bucket, topic: str, value: object) -> None:
    bodies.write(ctx, bucket.name, lambda tx: catalog.configure_bucket(tx, bucket.id, topic, value))


def _load(ctx: Ctx, bucket: Bucket, topic: _Topic) -> Doc:
    value = bucket.config.get(topic.name, topic.default)
    if value is None or value == {}:
        raise AwsError(topic.code, topic.message, 404, BucketName=bucket.name)
    return {topic.member: value} if topic.wrapped else dict(value)


def _getter(topic: _Topic) -> Operation:
    return lambda ctx, request: _load(ctx, names.bucket_of(ctx, request), topic)


def _putter(topic: _Topic) -> Operation:
    def put(ctx: Ctx, request: Doc) -> None:
        bucket = names.bucket_of(ctx, request)
        _store(ctx, bucket, topic.name, topic.check(request[topic.member]))

    return put


def _deleter(topic: _Topic) -> Operation:
    # An empty document marks a deleted configuration, so that its default does not apply again.
    gone = {} if topic.default is not None else None
    return lambda ctx, request: _store(ctx, names.bucket_of(ctx, request), topic.name, gone)


def _table() -> dict[str, Operation]:
    table: dict[str, Operation] = {}
    for name, topic in _TOPICS.items():
        table[f"Get{name}"] = _getter(topic)
        table[f"Put{name}"] = _putter(topic)
        table[f"Delete{name}"] = _deleter(topic)
    table["GetBucketLifecycleConfiguration"] = _getter(_LIFECYCLE)
    table["PutBucketLifecycleConfiguration"] = _putter(_LIFECYCLE)
    table["DeleteBucketLifecycle"] = _deleter(_LIFECYCLE)
    return table


OPERATIONS = _table()
