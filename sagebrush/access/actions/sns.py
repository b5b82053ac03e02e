"""Amazon SNS (Service Authorization Reference, "Amazon SNS")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sagebrush.access.actions.entries import Permission, RequestTags, Table, Target, given, key
from sagebrush.aws.names import Arn
from sagebrush.errors import Doc
from sagebrush.world import Ctx

TAG_KEYS = ("aws:resourcetag/",)


def _tags(ctx: Ctx, text: str) -> Mapping[str, str]:
    arn = Arn.parse(text)
    row = ctx.world.rows.get(arn.account, arn.region, "topic", arn.resource) if arn else None
    return row.plan.get("tags", {}) if row is not None else {}


@dataclass(frozen=True)
class Topic:
    """The topic whose ARN, or name, is at the first of `members` that the request has."""

    members: tuple[str, ...] = ("TopicArn",)
    kind: str = "topic"

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        found = next((params[name] for name in self.members if params.get(name)), None)
        if found is None:
            return ()
        arn = found
        if not found.startswith("arn:"):
            arn = f"arn:aws:sns:{ctx.region}:{ctx.account}:{found}"
        elif not found.startswith("arn:aws:sns:"):
            return ()  # which the operation refuses
        return (Target(arn, partial(_tags, ctx, arn), TAG_KEYS),)


TOPIC, NAMED, RESOURCE = Topic(), Topic(("Name",)), Topic(("ResourceArn",))
TAGS = RequestTags()

TABLE: Table = {
    "AddPermission": (Permission("sns:AddPermission", TOPIC),),
    "CreateTopic": (
        Permission("sns:CreateTopic", NAMED, keys=(TAGS,)),
        Permission("sns:TagResource", NAMED, keys=(TAGS,), when=given("Tags")),
    ),
    "DeleteTopic": (Permission("sns:DeleteTopic", TOPIC),),
    "GetSubscriptionAttributes": (Permission("sns:GetSubscriptionAttributes"),),
    "GetTopicAttributes": (Permission("sns:GetTopicAttributes", TOPIC),),
    "ListSubscriptions": (Permission("sns:ListSubscriptions"),),
    "ListSubscriptionsByTopic": (Permission("sns:ListSubscriptionsByTopic", TOPIC),),
    "ListTagsForResource": (Permission("sns:ListTagsForResource", RESOURCE),),
    "ListTopics": (Permission("sns:ListTopics"),),
    "Publish": (Permission("sns:Publish", Topic(("TopicArn", "TargetArn"))),),
    "PublishBatch": (Permission("sns:Publish", TOPIC),),
    "RemovePermission": (Permission("sns:RemovePermission", TOPIC),),
    "SetSubscriptionAttributes": (Permission("sns:SetSubscriptionAttributes"),),
    "SetTopicAttributes": (Permission("sns:SetTopicAttributes", TOPIC),),
    "Subscribe": (
        Permission(
            "sns:Subscribe",
            TOPIC,
            keys=(key("sns:Endpoint", "Endpoint"), key("sns:Protocol", "Protocol")),
        ),
    ),
    "TagResource": (Permission("sns:TagResource", RESOURCE, keys=(TAGS,)),),
    "Unsubscribe": (Permission("sns:Unsubscribe"),),
    "UntagResource": (
        Permission("sns:UntagResource", RESOURCE, keys=(key("aws:TagKeys", "TagKeys", many=True),)),
    ),
}
