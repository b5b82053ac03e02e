"""Events of Sagebrush's own services: each comes to the default bus of its account and region."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sagebrush.services.events import matched, names
from sagebrush.services.events.envelopes import Arrived, envelope
from sagebrush.store.deliveries import Delivery
from sagebrush.store.events import Event
from sagebrush.world import World


def consume(world: World, event: Event) -> Sequence[Delivery]:
    """What the default bus's rules send because of the event."""
    place, at = (event.account, event.region), event.at or world.clock()
    what = (event.source, event.detail_type)
    made = envelope(what, place, at, _plain(event.detail), event.resources)
    if event.id:
        made["id"] = event.id
    found = matched.sent(world, Arrived(made, *place, names.DEFAULT, at))
    if found.counts:
        world.series.append(*place, matched.points(found.counts, world.clock()))
    return found.deliveries


def _plain(value: Any) -> Any:
    """The value as JSON has it: moments in milliseconds since the epoch, as SageMaker's events have
    them (SageMaker developer guide, "Events that Amazon SageMaker AI sends to Amazon EventBridge")."""
    if isinstance(value, dt.datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


EVENT_CONSUMERS = (consume,)
EVENT_CONSUMER_KINDS = (names.RULE,)
