"""IAM: users, and the operating system's user, who owns the long-lived key.

The owner is no user that can be listed or changed: the key is an administrator's for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sagebrush.access import principals
from sagebrush.credentials import role_id, user_name
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.iam import boundaries
from sagebrush.services.iam.holders import USER
from sagebrush.services.iam.rows import (
    ACCESS_KEY,
    at_once,
    conflict,
    extras,
    fresh_id,
    of_account,
    page,
    tag_map,
    under,
)
from sagebrush.store.changes import Changes
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx


def create_user(ctx: Ctx, request: Doc) -> Doc:
    """The user exists and may do nothing yet; EntityAlreadyExists (409), NoSuchEntity (404) for a
    permissions boundary that is not known here."""
    name, path = request["UserName"], request.get("Path", "/")
    doc = {
        "Path": path,
        "UserName": name,
        "UserId": fresh_id("AIDA"),
        "Arn": f"arn:aws:iam::{ctx.account}:user{path}{name}",
        "CreateDate": moment(ctx.world.clock()),
    }
    plan: Doc = {"inline": {}, "attached": {}, "tags": tag_map(request), "groups": []}

    def work(changes: Changes) -> Row:
        _must_be_free(ctx, name, changes)
        arn = request.get("PermissionsBoundary")
        limit = {"boundary": boundaries.found(ctx, arn, changes)} if arn is not None else {}
        kind, region = USER.kind, principals.REGION
        return changes.insert(
            Row(ctx.account, region, kind, name, "Active", doc, {**plan, **limit})
        )

    return {"User": shown(at_once(ctx, work))}


def _must_be_free(ctx: Ctx, name: str, rows: Reader) -> None:
    """Raises EntityAlreadyExists (409), also where only the case of a name differs (IAM user guide,
    "IAM identifiers")."""
    owner = ctx.account == ctx.world.settings.account and name.lower() == user_name().lower()
    if owner or rows.get_lower(ctx.account, principals.REGION, USER.kind, name) is not None:
        raise AwsError("EntityAlreadyExists", f"User with name {name} already exists.", 409)


def shown(row: Row) -> Doc:
    """The user as Get and Create answer it."""
    return {**row.doc, **extras(row)}


def get_user(ctx: Ctx, request: Doc) -> Doc:
    """The user, or the one whose key signed the request; NoSuchEntity (404)."""
    me, wanted = user_name(), request.get("UserName") or own_name(ctx)
    owner = principals.owns(ctx.world, ctx.caller)
    if wanted is None and not owner:
        raise unnamed()
    if wanted not in (None, me) or ctx.account != ctx.world.settings.account:
        return {"User": shown(USER.find(ctx, {"UserName": wanted}))}
    user = {
        "Path": "/",
        "UserName": me,
        "UserId": "AIDA" + role_id(ctx.account, f"user/{me}")[4:],
        "Arn": f"arn:aws:iam::{ctx.account}:user/{me}",
        "CreateDate": moment(ctx.world.credentials.user_since),
    }
    return {"User": user}


def own_name(ctx: Ctx) -> str | None:
    """The name of the user whose key signed the request; None for other callers."""
    kind, _, name = ctx.caller.arn.split(":", 5)[-1].partition("/")
    return name.rpartition("/")[2] if kind == "user" else None


def named(ctx: Ctx, given: str | None) -> str:
    """The user that is `given`, or whose key signed the request; raises ValidationError for other
    callers that give none."""
    name = given or own_name(ctx)
    if name is None:
        raise unnamed()
    return name


def unnamed() -> AwsError:
    """The error for a caller that is no user and names none."""
    return AwsError(
        "ValidationError", "Must specify userName when calling with non-User credentials"
    )


def list_users(ctx: Ctx, request: Doc) -> Doc:
    """The users under PathPrefix by name, without tags and boundaries, as AWS lists them."""
    found = under(of_account(ctx, ctx.world.rows, USER.kind), request)
    return page("Users", [row.doc for row in found], request)


def update_user(ctx: Ctx, request: Doc) -> None:
    """The user has the new name and path, and its keys are of that name; EntityAlreadyExists (409)."""
    name = request["UserName"]

    def work(changes: Changes) -> None:
        row = USER.read(ctx, name, changes)
        new = request.get("NewUserName", name)
        path = request.get("NewPath", row.doc["Path"])
        if new.lower() != name.lower():
            _must_be_free(ctx, new, changes)
        arn = f"arn:aws:iam::{ctx.account}:user{path}{new}"
        changes.store(replace(row, doc={**row.doc, "Path": path, "UserName": new, "Arn": arn}))
        if new != name:
            changes.rename(row, new)
            for key in keys_of(ctx, name, changes):
                changes.store(replace(key, doc={**key.doc, "UserName": new}))

    at_once(ctx, work)


def keys_of(ctx: Ctx, name: str, rows: Reader) -> Sequence[Row]:
    """The rows of the user's access keys, oldest first."""
    whose = {"plan.account": ctx.account, "doc.UserName": name}
    return rows.select(ACCESS_KEY, texts=whose)


def delete_user(ctx: Ctx, request: Doc) -> None:
    """The user is gone; DeleteConflict (409) while it has policies, access keys or groups."""
    name = request["UserName"]

    def work(changes: Changes) -> None:
        row = USER.read(ctx, name, changes)
        if row.plan.get("groups"):
            raise conflict("Cannot delete entity, must remove users from group first.")
        if row.plan.get("attached"):
            raise conflict("Cannot delete entity, must detach all policies first.")
        if row.plan.get("inline"):
            raise conflict("Cannot delete entity, must delete policies first.")
        if keys_of(ctx, name, changes):
            raise conflict("Cannot delete entity, must delete access keys first.")
        changes.delete(row)

    at_once(ctx, work)
