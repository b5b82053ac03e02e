"""IAM: users' access keys. A key's secret derives from the server's master key and is told once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.iam import users
from sagebrush.services.iam.holders import USER
from sagebrush.services.iam.rows import ACCESS_KEY, at_once, exceeded, missing, page
from sagebrush.store.changes import Changes
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx

MOST = 2
"""Keys of one user (IAM user guide, "IAM and AWS STS quotas")."""


def create_access_key(ctx: Ctx, request: Doc) -> Doc:
    """A new key of the user, with its secret; LimitExceeded (409), NoSuchEntity (404)."""
    name = users.named(ctx, request.get("UserName"))
    key, secret = ctx.world.credentials.mint()
    doc = {
        "UserName": name,
        "AccessKeyId": key,
        "Status": "Active",
        "CreateDate": moment(ctx.world.clock()),
    }

    def work(changes: Changes) -> None:
        USER.read(ctx, name, changes)
        if len(users.keys_of(ctx, name, changes)) >= MOST:
            raise exceeded("AccessKeysPerUser", MOST)
        plan = {"account": ctx.account}
        changes.insert(Row("", "", ACCESS_KEY, key, "Active", doc, plan))

    at_once(ctx, work)
    return {"AccessKey": {**doc, "SecretAccessKey": secret}}


def list_access_keys(ctx: Ctx, request: Doc) -> Doc:
    """The user's keys, without their secrets; NoSuchEntity (404)."""
    name = users.named(ctx, request.get("UserName"))
    USER.read(ctx, name, ctx.world.rows)
    found = [row.doc for row in users.keys_of(ctx, name, ctx.world.rows)]
    return page("AccessKeyMetadata", found, request)


def update_access_key(ctx: Ctx, request: Doc) -> None:
    """The key works (Active) or is refused (Inactive); NoSuchEntity (404)."""
    status = request["Status"]
    if status not in ("Active", "Inactive"):
        raise AwsError("InvalidInput", f"An access key cannot be made {status}.")
    _change(
        ctx, request,
        lambda changes, row: changes.store(
            replace(row, status=status, doc={**row.doc, "Status": status})
        ),
    )  # fmt: skip


def delete_access_key(ctx: Ctx, request: Doc) -> None:
    """The key is gone; NoSuchEntity (404)."""
    _change(ctx, request, lambda changes, row: changes.delete(row))


def _change(ctx: Ctx, request: Doc, change: Callable[[Changes, Row], object]) -> None:
    name = users.named(ctx, request.get("UserName"))

    def work(changes: Changes) -> None:
        USER.read(ctx, name, changes)
        row = _read(ctx, request["AccessKeyId"], changes)
        if row.doc["UserName"] != name:
            raise _absent(request["AccessKeyId"])
        change(changes, row)

    at_once(ctx, work)


def _read(ctx: Ctx, key: str, rows: Reader) -> Row:
    row = rows.get("", "", ACCESS_KEY, key)
    if row is None or row.plan.get("account") != ctx.account:
        raise _absent(key)
    return row


def _absent(key: str) -> AwsError:
    return missing(f"The Access Key with id {key} cannot be found.")


def get_access_key_last_used(ctx: Ctx, request: Doc) -> Doc:
    """Whose key it is and when it was last used, as far as that was recorded; NoSuchEntity (404)."""
    row = _read(ctx, request["AccessKeyId"], ctx.world.rows)
    never = {"ServiceName": "N/A", "Region": "N/A"}
    used = {**never, **(row.plan.get("used") or {})}
    return {"UserName": row.doc["UserName"], "AccessKeyLastUsed": used}
