"""IAM: groups of users. A user's membership is kept with the user."""

from __future__ import annotations

from dataclasses import replace

from sagebrush.access import principals
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.iam.holders import GROUP, USER
from sagebrush.services.iam.rows import (
    at_once,
    conflict,
    exceeded,
    fresh_id,
    missing,
    of_account,
    page,
    under,
)
from sagebrush.store.changes import Changes
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx

MOST = 10
"""Groups of one user (IAM user guide, "IAM and AWS STS quotas")."""


def create_group(ctx: Ctx, request: Doc) -> Doc:
    """The group exists, without users or policies; EntityAlreadyExists (409)."""
    name, path = request["GroupName"], request.get("Path", "/")
    doc = {
        "Path": path,
        "GroupName": name,
        "GroupId": fresh_id("AGPA"),
        "Arn": f"arn:aws:iam::{ctx.account}:group{path}{name}",
        "CreateDate": moment(ctx.world.clock()),
    }
    plan: Doc = {"inline": {}, "attached": {}}

    def work(changes: Changes) -> None:
        _must_be_free(ctx, name, changes)
        changes.insert(Row(ctx.account, principals.REGION, GROUP.kind, name, "Active", doc, plan))

    at_once(ctx, work)
    return {"Group": doc}


def _must_be_free(ctx: Ctx, name: str, rows: Reader) -> None:
    """Raises EntityAlreadyExists (409), also where only the case of a name differs (IAM user guide,
    "IAM identifiers")."""
    if rows.get_lower(ctx.account, principals.REGION, GROUP.kind, name) is not None:
        raise AwsError("EntityAlreadyExists", f"Group with name {name} already exists.", 409)


def get_group(ctx: Ctx, request: Doc) -> Doc:
    """The group and its users; NoSuchEntity (404)."""
    row = GROUP.find(ctx, request)
    found = [user.doc for user in members(ctx, row.name, ctx.world.rows)]
    return {"Group": row.doc, **page("Users", found, request)}


def members(ctx: Ctx, name: str, rows: Reader) -> list[Row]:
    """The users in the group, by name."""
    users = of_account(ctx, rows, USER.kind)
    return [row for row in users if name in row.plan.get("groups", ())]


def list_groups(ctx: Ctx, request: Doc) -> Doc:
    """The groups under PathPrefix, by name."""
    found = under(of_account(ctx, ctx.world.rows, GROUP.kind), request)
    return page("Groups", [row.doc for row in found], request)


def update_group(ctx: Ctx, request: Doc) -> None:
    """The group has the new name and path, and the same users; EntityAlreadyExists (409)."""
    name = request["GroupName"]

    def work(changes: Changes) -> None:
        row = GROUP.read(ctx, name, changes)
        new = request.get("NewGroupName", name)
        path = request.get("NewPath", row.doc["Path"])
        if new.lower() != name.lower():
            _must_be_free(ctx, new, changes)
        arn = f"arn:aws:iam::{ctx.account}:group{path}{new}"
        changes.store(replace(row, doc={**row.doc, "Path": path, "GroupName": new, "Arn": arn}))
        if new != name:
            changes.rename(row, new)
            for user in members(ctx, name, changes):
                groups = [new if each == name else each for each in user.plan["groups"]]
                changes.store(replace(user, plan={**user.plan, "groups": groups}))

    at_once(ctx, work)


def delete_group(ctx: Ctx, request: Doc) -> None:
    """The group is gone; DeleteConflict (409) while it has users or policies."""
    name = request["GroupName"]

    def work(changes: Changes) -> None:
        row = GROUP.read(ctx, name, changes)
        if members(ctx, name, changes):
            raise conflict("Cannot delete entity, must remove users from group first.")
        if row.plan.get("attached"):
            raise conflict("Cannot delete entity, must detach all policies first.")
        if row.plan.get("inline"):
            raise conflict("Cannot delete entity, must delete policies first.")
        changes.delete(row)

    at_once(ctx, work)


def add_user_to_group(ctx: Ctx, request: Doc) -> None:
    """The user is in the group; NoSuchEntity (404), LimitExceeded (409)."""
    name = request["GroupName"]

    def work(changes: Changes) -> None:
        user = USER.read(ctx, request["UserName"], changes)
        GROUP.read(ctx, name, changes)
        groups = user.plan.get("groups", [])
        if name in groups:
            return
        if len(groups) >= MOST:
            raise exceeded("GroupsPerUser", MOST)
        changes.store(replace(user, plan={**user.plan, "groups": [*groups, name]}))

    at_once(ctx, work)


def remove_user_from_group(ctx: Ctx, request: Doc) -> None:
    """The user is not in the group; NoSuchEntity (404), also where it was not."""
    name = request["GroupName"]

    def work(changes: Changes) -> None:
        GROUP.read(ctx, name, changes)
        user = USER.read(ctx, request["UserName"], changes)
        groups = user.plan.get("groups", [])
        if name not in groups:
            raise missing(f"User {user.name} not in group {name}")
        left = [each for each in groups if each != name]
        changes.store(replace(user, plan={**user.plan, "groups": left}))

    at_once(ctx, work)


def list_groups_for_user(ctx: Ctx, request: Doc) -> Doc:
    """The groups that the user is in, by name; NoSuchEntity (404)."""
    names = set(USER.find(ctx, request).plan.get("groups", ()))
    groups = of_account(ctx, ctx.world.rows, GROUP.kind)
    return page("Groups", [row.doc for row in groups if row.name in names], request)
