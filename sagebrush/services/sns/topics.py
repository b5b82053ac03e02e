"""SNS topics: create, find, list, describe, change, tag, delete.

A topic is a row of the kind `topic`: its document holds the attributes that were given, its plan its
tags. Source: Amazon SNS API Reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from sagebrush.aws.names import Arn
from sagebrush.engine import tags
from sagebrush.engine.kinds import paginate
from sagebrush.errors import AwsError, Doc
from sagebrush.services.sns import policies, subscriptions
from sagebrush.store.rows import Exists, Row
from sagebrush.world import Ctx

KIND = "topic"
PAGE = 100
_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
FIFO = ".fifo"
STORED = ("DisplayName", "Policy", "DeliveryPolicy", "TracingConfig", "SignatureVersion")
"""Attributes that are kept and answered."""
OF_FIFO = {
    "FifoTopic": ("true",),
    "ContentBasedDeduplication": ("false", "true"),
    "FifoThroughputScope": ("Topic", "MessageGroup"),
}
"""Attributes of FIFO topics -> what they may be, the default first."""
SIZES = (1024, 262144, 1048576)
"""Bytes that a topic's MaximumMessageSize may be at least, is by default, and at most (developer guide,
"Publishing large messages with Amazon SNS")."""
UNSUPPORTED = {
    "ArchivePolicy": "archives of topics (ArchivePolicy)",
    "KmsMasterKeyId": "encryption by AWS KMS (KmsMasterKeyId)",
}


def find_topic(ctx: Ctx, arn: str) -> Row:
    """The topic of that ARN, of this region: of this account, or of another whose topic's policy lets the
    caller in (`access.queue_policies`).

    Raises InvalidParameter for what is no topic's ARN, NotFound (404).
    """
    found = Arn.parse(arn)
    if found is None or (found.partition, found.service) != ("aws", "sns"):  # as policies are asked
        raise invalid("TopicArn")
    if not _NAME.fullmatch(found.resource.removesuffix(FIFO)):
        raise invalid("TopicArn")
    if found.region != ctx.region:
        raise invalid("TopicArn")
    row = ctx.world.rows.get(found.account, ctx.region, KIND, found.resource)
    if row is None:
        raise missing()
    return row


def home(ctx: Ctx, topic: Row) -> Ctx:
    """The context within the topic's own account, where its subscriptions are."""
    return ctx if topic.account == ctx.account else replace(ctx, account=topic.account)


def arn_of(row: Row) -> str:
    """The topic's ARN."""
    return str(_arn(row))


def _arn(row: Row) -> Arn:
    return Arn("sns", row.region, row.account, row.name)


def invalid(what: str, why: str = "") -> AwsError:
    """The error for a parameter that is not as it must be."""
    reason = f" Reason: {why}" if why else ""
    return AwsError("InvalidParameterException", f"Invalid parameter: {what}{reason}")


def missing() -> AwsError:
    """The error for a topic that does not exist."""
    return AwsError("NotFoundException", "Topic does not exist", 404)


def create_topic(ctx: Ctx, request: Doc) -> Doc:
    """The topic exists; one of that name is answered as it is, unless another attribute or tag is
    asked for."""
    name, asked = request["Name"], request.get("Attributes") or {}
    fifo = _check_name(name, asked.get("FifoTopic") == "true")
    doc = {k: _checked(k, v, fifo) for k, v in asked.items() if not _without_effect(k, v, fifo)}
    if fifo:
        doc = {**{k: values[0] for k, values in OF_FIFO.items()}, **doc}
    given = _tags(request)
    plan = {"tags": given, **policies.pins(ctx, doc)}
    row = Row(ctx.account, ctx.region, KIND, name, "Active", doc, plan)
    try:
        stored = ctx.world.rows.insert(row)
    except Exists:
        stored = ctx.world.rows.get(ctx.account, ctx.region, KIND, name)
        if stored is None:  # deleted at this moment
            stored = ctx.world.rows.insert(row)
        if any(stored.doc.get(key) != value for key, value in doc.items()):
            raise invalid("Attributes", "Topic already exists with different attributes") from None
        if given and stored.plan.get("tags", {}) != given:
            raise invalid("Tags", "Topic already exists with different tags") from None
    return {"TopicArn": arn_of(stored)}


def _check_name(name: str, fifo: bool) -> bool:
    """`fifo`; raises InvalidParameter for a name that no such topic has."""
    if fifo and not (name.endswith(FIFO) and _NAME.fullmatch(name.removesuffix(FIFO))):
        raise invalid(
            "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase"
            " ASCII letters, numbers, underscores, and hyphens, and must be between 1 and 256"
            " characters long."
        )
    if not fifo and not _NAME.fullmatch(name):
        raise invalid("Topic Name")
    return fifo


def _without_effect(name: str, value: str, fifo: bool) -> bool:
    """Whether it says of a standard topic that it is one, as some clients do."""
    return not fifo and name in OF_FIFO and value in ("", "false")


def delete_topic(ctx: Ctx, request: Doc) -> None:
    """The topic and its subscriptions are gone; nothing is wrong where there is none."""
    try:
        row = find_topic(ctx, request["TopicArn"])
    except AwsError as error:
        if error.code == "NotFoundException":
            return
        raise
    ctx.world.rows.delete(row.id)
    for each in subscriptions.of_topic(home(ctx, row), arn_of(row)):
        ctx.world.rows.delete(each.id)


def list_topics(ctx: Ctx, request: Doc) -> Doc:
    """A page of the account's topics, by name."""
    found = [r for r in ctx.world.rows.select(KIND, account=ctx.account) if r.region == ctx.region]
    page, token = paginate(sorted(found, key=lambda r: r.name), request.get("NextToken"), PAGE)
    topics = [{"TopicArn": arn_of(row)} for row in page]
    return {"Topics": topics, **({"NextToken": token} if token else {})}


def get_topic_attributes(ctx: Ctx, request: Doc) -> Doc:
    """The topic's attributes, all of them texts."""
    row = find_topic(ctx, request["TopicArn"])
    found: Doc = {
        "TopicArn": arn_of(row),
        "Owner": row.account,
        "DisplayName": "",
        "SubscriptionsConfirmed": str(len(subscriptions.of_topic(home(ctx, row), arn_of(row)))),
        "SubscriptionsPending": "0",
        "SubscriptionsDeleted": "0",
        **row.doc,
        "Policy": policies.shown(ctx, row, _arn(row)),
    }
    return {"Attributes": found}


def set_topic_attributes(ctx: Ctx, request: Doc) -> None:
    """The attribute is set."""
    name = request["AttributeName"]
    row = find_topic(ctx, request["TopicArn"])
    if name == "FifoTopic":
        raise invalid("AttributeName")
    value = _checked(name, request.get("AttributeValue", ""), row.name.endswith(FIFO))
    pins = policies.pins(ctx, {name: value})

    def change(row: Row) -> Row:
        return replace(row, doc={**row.doc, name: value}, plan={**row.plan, **pins})

    _changed(ctx, request["TopicArn"], change)


def add_permission(ctx: Ctx, request: Doc) -> None:
    """The topic's policy has a statement of that label, for those accounts and actions. Raises
    InvalidParameter, NotFound (404)."""
    _changed(ctx, request["TopicArn"], lambda row: policies.add(row, _arn(row), request))


def remove_permission(ctx: Ctx, request: Doc) -> None:
    """The topic's policy has no statement of that label. Raises InvalidParameter, NotFound (404)."""
    label = request["Label"]
    _changed(ctx, request["TopicArn"], lambda row: policies.remove(row, _arn(row), label))


def largest(row: Row) -> int:
    """Bytes of a message to the topic, and of a batch, attributes included."""
    return int(row.doc.get("MaximumMessageSize") or SIZES[1])


def _checked(name: str, value: str, fifo: bool) -> str:
    if name == "MaximumMessageSize":
        if not value.isdecimal() or not SIZES[0] <= int(value) <= SIZES[2]:
            words = f"{name}: Value must be an integer from {SIZES[0]} to {SIZES[2]}"
            raise invalid("Attributes", words)
        return value
    if name in OF_FIFO:
        if not fifo:
            words = f"{name} can only be set for FIFO topics"
            raise invalid("Attributes", words)
        if value not in OF_FIFO[name]:
            raise invalid("Attributes", f"{name}: Invalid value [{value}].")
        return value
    if name in UNSUPPORTED and value not in ("", "false"):
        raise invalid("Attributes", f"Sagebrush does not support {UNSUPPORTED[name]} yet.")
    if name not in STORED and name not in UNSUPPORTED:
        raise invalid("AttributeName")
    if name == "Policy" and value:
        policies.check(value)
    return value


def tag_resource(ctx: Ctx, request: Doc) -> Doc:
    """The tags are added, in place of those of the same keys."""
    words = "Could not complete request: tag quota of per resource exceeded"
    excess = AwsError("TagLimitExceededException", words)
    _tagged(ctx, request, tags.added(_tags(request), excess))
    return {}


def untag_resource(ctx: Ctx, request: Doc) -> Doc:
    """The tags of those keys are gone."""
    _tagged(ctx, request, tags.removed(request["TagKeys"]))
    return {}


def list_tags_for_resource(ctx: Ctx, request: Doc) -> Doc:
    """The topic's tags."""
    return tags.listed(_resource(ctx, request["ResourceArn"]))


def _tags(request: Doc) -> dict[str, str]:
    given = {tag["Key"]: tag["Value"] for tag in request.get("Tags") or ()}
    if any(key.lower().startswith("aws:") for key in given):
        raise invalid("Tags", "Tag keys must not begin with aws:")
    return given


def _resource(ctx: Ctx, arn: str) -> Row:
    try:
        return find_topic(ctx, arn)
    except AwsError as error:
        if error.code != "NotFoundException":
            raise
        raise AwsError("ResourceNotFoundException", "Resource does not exist", 404) from None


def _tagged(ctx: Ctx, request: Doc, change: Callable[[Row], Row]) -> None:
    if ctx.world.rows.update(_resource(ctx, request["ResourceArn"]).id, change) is None:
        raise AwsError("ResourceNotFoundException", "Resource does not exist", 404)


def _changed(ctx: Ctx, arn: str, change: Callable[[Row], Row]) -> None:
    if ctx.world.rows.update(find_topic(ctx, arn).id, change) is None:
        raise missing()
