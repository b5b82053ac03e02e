"""Asynchronous invocations, kept: each is a message in the queue of its function's row.

Source: Lambda developer guide, "Invoking a Lambda function asynchronously". `asynchronous.Asynchronous`
carries them out; what was accepted is on disk before it is answered.
"""

from __future__ import annotations

import asyncio

from sagebrush.access.function_references import FunctionReference
from sagebrush.errors import Doc
from sagebrush.routing.function_counts import Subject
from sagebrush.services.lambda_ import faults, rows
from sagebrush.services.lambda_.serving import Target
from sagebrush.store.messages import FOREVER, Send
from sagebrush.world import Ctx


async def accepted(
    ctx: Ctx, of: FunctionReference, target: Target, payload: bytes, client_context: str
) -> None:
    """The event is on disk, and will be carried out. Raises ResourceNotFoundException where the function
    is deleted at this moment."""
    more: Doc = {"arn": of.qualified, "qualifier": of.qualifier, "attempts": 0}
    if client_context:
        more["context"] = client_context
    if ctx.trace:
        more["trace"] = ctx.trace
    send = Send(ctx.request_id or rows.revision(), payload.decode(), more, keep=FOREVER)
    put = ctx.world.messages.put(target.function.id, [send])
    if not await asyncio.wrap_future(put):
        raise faults.no_function(of.qualified)
    subject = Subject(of.account, of.region, of.name, of.qualifier)
    ctx.world.function_counts.note(subject, {"AsyncEventsReceived": 1.0})
