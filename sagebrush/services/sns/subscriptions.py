"""Subscriptions of topics, as rows: of queues and functions, which need no confirmation within an account.

The row's name is the subscription's id; its document holds TopicArn, Protocol, Endpoint (an ARN) and
the attributes that were given.
"""

from __future__ import annotations

from sagebrush.store.rows import Row
from sagebrush.world import Ctx

KIND = "subscription"


def of_topic(ctx: Ctx, topic: str) -> list[Row]:
    """The subscriptions of the topic of that ARN, oldest first."""
    return ctx.world.rows.select(KIND, account=ctx.account, texts={"doc.TopicArn": topic})


def of_account(ctx: Ctx) -> list[Row]:
    """The account's subscriptions in the region, oldest first."""
    found = ctx.world.rows.select(KIND, account=ctx.account)
    return [row for row in found if row.region == ctx.region]


def arn_of(row: Row) -> str:
    """The subscription's ARN."""
    return f"{row.doc['TopicArn']}:{row.name}"
