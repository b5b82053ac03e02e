"""Get and PutBucketNotificationConfiguration (S3 API Reference)."""

from __future__ import annotations

from sagebrush.errors import Doc
from sagebrush.services.s3 import bodies, names
from sagebrush.services.s3.notifications import configuration, destinations, records, telling
from sagebrush.store import catalog
from sagebrush.store.db import Tx
from sagebrush.world import Ctx


def get_bucket_notification_configuration(ctx: Ctx, request: Doc) -> Doc:
    """The bucket's configuration; empty where nobody is notified."""
    return dict(names.bucket_of(ctx, request).config.get(telling.TOPIC) or {})


def put_bucket_notification_configuration(ctx: Ctx, request: Doc) -> None:
    """The configuration replaces the bucket's, and queues and topics get a test message.

    Raises InvalidArgument (400) for one that cannot be, and unless SkipDestinationValidation for
    destinations that S3 may not send to.
    """
    bucket = names.bucket_of(ctx, request)
    found = configuration.checked(request["NotificationConfiguration"], bucket.region)
    tests = []
    if not request.get("SkipDestinationValidation"):
        destinations.check(ctx, bucket, found)
        message = records.test_message(bucket.name, telling.asked(ctx))
        tests = [
            telling.delivery(bucket, one[form.arn], message)
            for form, one in configuration.each(found)
            if form.service != "lambda"
        ]

    def change(tx: Tx) -> None:
        catalog.configure_bucket(tx, bucket.id, telling.TOPIC, found or None)
        ctx.world.deliveries.put_in(tx, tests)

    bodies.write(ctx, bucket.name, change)
