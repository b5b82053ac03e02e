"""When a user's access key was last used, as IAM tells it (GetAccessKeyLastUsed)."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import Future
from dataclasses import replace

from sagebrush.access import users
from sagebrush.credentials import Caller
from sagebrush.store.db import Tx
from sagebrush.store.rows import Reader
from sagebrush.world import World

SPAN = 60.0
"""Seconds within which further uses are not recorded, so that requests cost no writes."""


class KeyUse:
    """Records the uses of long-lived keys of users, one in a minute."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._recorded: dict[str, float] = {}
        """Access key -> when its use was recorded last."""

    def note(self, caller: Caller, service: str, region: str) -> Future[None] | None:
        """A write that records this use; None where none is due, and for other keys."""
        if caller.user is None or caller.session is not None:
            return None
        now = self._world.clock()
        if now < self._recorded.get(caller.access_key, -SPAN) + SPAN:
            return None
        if len(self._recorded) >= 4096:
            self._recorded.clear()
        self._recorded[caller.access_key] = now
        moment = dt.datetime.fromtimestamp(int(now), dt.UTC)
        used = {"LastUsedDate": moment, "ServiceName": service, "Region": region}

        def work(tx: Tx) -> None:
            row = users.key(Reader(tx.all), caller.access_key)
            if row is not None:
                self._world.rows.store_in(tx, replace(row, plan={**row.plan, "used": used}), False)

        return self._world.db.submit(work)
