"""The accounts of this server: that of the settings, and those that its owner adds.

A further account is a row of kind "account" in no account. Its own key, like the owner's in the
account of the settings, is an administrator there, and is nothing anywhere else.

Amazon Comprehend works in an account of its own, as a customer of SageMaker: no user can add it, has a
key of it or sees what is in it.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets

from sagebrush.access import users
from sagebrush.credentials import ROOT
from sagebrush.errors import AwsError, Doc
from sagebrush.settings import COMPREHEND
from sagebrush.store.db import Tx
from sagebrush.store.rows import Exists, Row
from sagebrush.world import World

REGION, KIND = "", "account"
_ID = re.compile(r"[0-9]{12}")
_NAME = re.compile(r"[\w .,+=@-]{1,50}")


def exists(world: World, account: str) -> bool:
    """Whether that account is one of this server's."""
    return account == world.settings.account or _row(world, account) is not None


def _row(world: World, account: str) -> Row | None:
    return world.rows.get("", REGION, KIND, account)


def others(world: World) -> list[str]:
    """The ids of the accounts besides that of the settings."""
    own = world.settings.account
    return [row.name for row in world.rows.select(KIND) if row.name != own]


def listed(world: World) -> list[Doc]:
    """Id, name and key of each account, that of the settings first."""
    first = {
        "Id": world.settings.account,
        "Name": "",
        "AccessKeyId": world.credentials.user_key[0],
    }
    rows = [row for row in world.rows.select(KIND) if row.name != first["Id"]]
    told = [{name: row.doc[name] for name in first} for row in rows]
    return [first, *told]


def add(world: World, account: str = "", name: str = "") -> Doc:
    """Id, name and key of a new account; a free id is made where none is given.

    Raises AwsError ValidationException (400) for what is no id or name, and
    EntityAlreadyExists (409) for an account that is there, or a name that another one has.
    """
    if account and not _ID.fullmatch(account):
        raise AwsError("ValidationException", f"{account!r} is not an account id: 12 digits.")
    if account == COMPREHEND:
        raise AwsError("ValidationException", f"The account {account} is Comprehend's own.")
    if name and (not _NAME.fullmatch(name) or _ID.fullmatch(name)):
        raise AwsError("ValidationException", f"{name!r} cannot be an account's name.")
    taken = listed(world)
    if name and any(entry["Name"] == name for entry in taken):
        raise AwsError("EntityAlreadyExists", f"There is an account {name} already.", 409)
    ids = {entry["Id"] for entry in taken}
    there = AwsError("EntityAlreadyExists", f"The account {account} exists already.", 409)
    if account in ids:
        raise there
    account = account or _free(ids)
    access_key, _ = world.credentials.mint()
    now = dt.datetime.fromtimestamp(round(world.clock(), 3), dt.UTC)
    doc = {"Id": account, "Name": name, "AccessKeyId": access_key, "CreateDate": now}
    held = {
        "UserName": ROOT,
        "AccessKeyId": access_key,
        "Status": users.ACTIVE,
        "CreateDate": now,
    }

    def change(tx: Tx) -> None:
        rows = world.rows
        rows.insert_in(tx, Row("", REGION, KIND, account, users.ACTIVE, doc))
        plan = {"account": account, "administrator": True}
        rows.insert_in(tx, Row("", REGION, users.KEY, access_key, users.ACTIVE, held, plan))

    try:
        world.db.write(change)
    except Exists as error:
        raise there from error
    return {part: doc[part] for part in ("Id", "Name", "AccessKeyId")}


def _free(ids: set[str]) -> str:
    """An id that no account here has."""
    while True:
        found = str(10**11 + secrets.randbelow(9 * 10**11))
        if found not in ids:
            return found
