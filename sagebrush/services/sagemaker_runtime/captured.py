"""What is captured of a request that was answered, and its copies for shadow variants."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable

from sagebrush.errors import Doc
from sagebrush.net.http_client import Answer, Stream
from sagebrush.routing.capture.record import Exchange
from sagebrush.routing.endpoints import Name, Variant
from sagebrush.routing.forward import Place
from sagebrush.routing.passage import Passage
from sagebrush.world import World

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
OCTETS = "application/octet-stream"
LONGEST = 6 * 1024 * 1024
"""Bytes of a streamed answer that are captured."""


def note(world: World, name: Name, variant: Variant, request: Doc, answer: Answer) -> None:
    """The request and its answer are captured, if the variant's rule and chance say so."""
    rule = variant.capture
    if rule is None or (rule.share < 1 and random.random() >= rule.share):
        return
    exchange = Exchange(
        asked=bytes(request.get("Body") or b""),
        asked_type=request.get("ContentType") or OCTETS,
        answered=answer.body,
        answered_type=answer.headers.get("content-type", OCTETS),
        at=world.clock(),
        inference_id=request.get("InferenceId"),
        attributes=answer.headers.get(ATTRIBUTES),
    )
    world.captures.note(name, variant.name, rule, exchange)


def shadow(world: World, place: Place, request: Doc, make: Callable[[], Passage[Stream]]) -> None:
    """The endpoint's shadow variants get copies of the request; what they answer is captured as
    their own, where the endpoint captures."""
    name = place.endpoint.name
    world.forward.shadows.copy(
        place.endpoint, make, lambda variant, answer: note(world, name, variant, request, answer)
    )


async def through(
    world: World, place: Place, request: Doc, stream: Stream, pieces: AsyncIterator[Doc]
) -> AsyncIterator[Doc]:
    """Yields the events of a streamed answer; it is captured once all of it was sent."""
    parts, size = [], 0
    async for event in pieces:
        part = event["PayloadPart"]["Bytes"]
        size += len(part)
        if size <= LONGEST:
            parts.append(part)
        yield event
    answer = Answer(stream.status, stream.headers, b"".join(parts))
    note(world, place.endpoint.name, place.variant, request, answer)
