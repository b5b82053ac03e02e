"""When a user's access key and a role were last used, as IAM tells it (GetAccessKeyLastUsed, GetRole)."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import Future
from dataclasses import replace

from sagebrush.access import principals, users
from sagebrush.credentials import Caller, RoleSession
from sagebrush.store.db import Tx
from sagebrush.store.rows import Reader, Row
from sagebrush.world import World

SPAN = 60.0
"""Seconds within which further uses are not recorded, so that requests cost no writes."""


class LastUse:
    """Records the uses of users' long-lived keys and of roles' sessions, one in a minute."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._recorded: dict[str, float] = {}
        """Access key, or unique id of a role -> when its use was recorded last."""

    def note(self, caller: Caller, service: str, region: str) -> Future[None] | None:
        """A write that records this use; None where none is due, and for other callers."""
        session = caller.session
        role = session.role_id if isinstance(session, RoleSession) else ""
        if not role and (caller.user is None or session is not None):
            return None
        now, of = self._world.clock(), role or caller.access_key
        if now < self._recorded.get(of, -SPAN) + SPAN:
            return None
        if len(self._recorded) >= 4096:
            self._recorded.clear()
        self._recorded[of] = now
        used = {"LastUsedDate": dt.datetime.fromtimestamp(int(now), dt.UTC), "Region": region}
        if not role:
            used["ServiceName"] = service

        def work(tx: Tx) -> None:
            reader = Reader(tx.all)
            row = _role(reader, caller, role) if role else users.key(reader, caller.access_key)
            if row is not None:
                self._world.rows.store_in(tx, replace(row, plan={**row.plan, "used": used}), False)

        return self._world.db.submit(work)


def _role(rows: Reader, caller: Caller, number: str) -> Row | None:
    """The role behind the caller's session; None where it was deleted, or another has its name."""
    row = rows.get(caller.account, principals.REGION, principals.KIND, caller.role or "")
    return row if row is not None and row.doc.get("RoleId") == number else None
