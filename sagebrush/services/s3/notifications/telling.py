"""A change of an object is told in its own transaction: what it tells is stored with it, or neither.

The outbox (`engine.outbox`) sends it. A bucket without a configuration costs a look into its document,
which is in memory.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from sagebrush.aws.names import Arn, request_id
from sagebrush.errors import Doc
from sagebrush.services.s3.notifications import configuration, events, records
from sagebrush.services.s3.notifications.records import Asked, Happened
from sagebrush.store import catalog, sequences
from sagebrush.store.catalog import Bucket, Object
from sagebrush.store.db import Tx
from sagebrush.store.deliveries import Delivery
from sagebrush.store.events import Event
from sagebrush.world import Ctx

TOPIC = "Notification"
"""Where a bucket keeps its configuration."""
SERVICE = "s3.amazonaws.com"
LOCAL = "127.0.0.1"
"""Where requests come from that have no address: those of the server itself and out of sandboxes."""


@dataclass(frozen=True)
class Teller:
    """Tells of what a request does to objects of a bucket that has a configuration."""

    ctx: Ctx
    bucket: Bucket
    event: str
    asked: Asked

    def tell(self, tx: Tx, key: str, found: Object | None) -> None:
        """The event is on its way to all that want it, with the transaction."""
        wanted, bus = self.wanted(key)
        if not wanted and not bus:
            return
        world, bucket = self.ctx.world, self.bucket
        sequence = sequences.following(tx, self.asked.at)
        happened = Happened(self.event, bucket, key, found, sequence)
        sends = [
            replace(
                delivery(bucket, arn, records.message(happened, self.asked, one["Id"])),
                trace=self.ctx.trace,
            )
            for arn, one in wanted
        ]
        world.deliveries.put_in(tx, sends)
        if bus:
            kind, detail = records.detail(happened, self.asked)
            arns = (records.arn_of(bucket.name),)
            event = Event(
                bucket.account, bucket.region, "aws.s3", kind, detail, arns, self.asked.at
            )
            world.events.put_in(tx, [event])

    def wanted(self, key: str) -> tuple[list[tuple[str, Doc]], bool]:
        """The destinations that want the event of that key, with their configurations, and whether
        EventBridge does."""
        given = self.bucket.config[TOPIC]
        found = [
            (one[form.arn], one)
            for form, one in configuration.each(given)
            if events.wanted(one, self.event, key)
        ]
        return found, configuration.EVENT_BRIDGE in given


def of(ctx: Ctx, bucket: Bucket, event: str) -> Teller | None:
    """Who tells of the event; None where the bucket has no configuration."""
    if not bucket.config.get(TOPIC):
        return None
    return Teller(ctx, bucket, event, asked(ctx))


def asked(ctx: Ctx) -> Asked:
    """The request of the context."""
    address = ctx.origin.address if ctx.origin else None
    return Asked(
        ctx.world.clock(),
        ctx.request_id or request_id(),
        ctx.account,
        ctx.caller.user_id,
        address or LOCAL,
    )


def removed(tx: Tx, bucket: Bucket, key: str, teller: Teller | None) -> list[str]:
    """There is no object of that key, and one that was there is told of; what that frees."""
    if teller is not None and catalog.find(tx, bucket.id, key) is not None:
        teller.tell(tx, key, None)
    return catalog.remove(tx, bucket.id, key)


def delivery(bucket: Bucket, arn: str, message: Doc) -> Delivery:
    """A message of the bucket to a destination."""
    named = Arn.parse(arn)
    options: Doc = {"Subject": records.SUBJECT} if named and named.service == "sns" else {}
    return Delivery(
        bucket.account,
        bucket.region,
        arn,
        json.dumps(message, separators=(",", ":")),
        SERVICE,
        records.arn_of(bucket.name),
        options=options,
    )
