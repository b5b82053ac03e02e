"""IAM: instance profiles, which hold a role for EC2 instances. There are no such instances here: a
profile only keeps its role from being deleted, as at AWS."""

from __future__ import annotations

from dataclasses import replace

from sagebrush.access import principals
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.iam.rows import (
    at_once,
    briefly,
    conflict,
    exceeded,
    find_role,
    fresh_id,
    missing,
    no_role,
    of_account,
    page,
    protect,
    tag_list,
    tag_map,
    under,
)
from sagebrush.store.changes import Changes
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx

PROFILE = "instance-profile"


def create_instance_profile(ctx: Ctx, request: Doc) -> Doc:
    """The instance profile exists, without a role; EntityAlreadyExists (409)."""
    name, path = request["InstanceProfileName"], request.get("Path", "/")
    doc = {
        "Path": path,
        "InstanceProfileName": name,
        "InstanceProfileId": fresh_id("AIPA"),
        "Arn": f"arn:aws:iam::{ctx.account}:instance-profile{path}{name}",
        "CreateDate": moment(ctx.world.clock()),
    }
    plan = {"tags": tag_map(request)}

    def work(changes: Changes) -> Row:
        if changes.get_lower(ctx.account, principals.REGION, PROFILE, name) is not None:
            words = f"Instance Profile {name} already exists."
            raise AwsError("EntityAlreadyExists", words, 409)
        return changes.insert(
            Row(ctx.account, principals.REGION, PROFILE, name, "Active", doc, plan)
        )

    return {"InstanceProfile": _told(ctx, at_once(ctx, work))}


def read(ctx: Ctx, name: str, rows: Reader) -> Row:
    """The instance profile's row; raises NoSuchEntity (404)."""
    row = rows.get(ctx.account, principals.REGION, PROFILE, name)
    if row is None:
        raise missing(f"Instance Profile {name} cannot be found.")
    return row


def _told(ctx: Ctx, row: Row) -> Doc:
    """The instance profile as Get and Create answer it."""
    told = brief(ctx, row)
    return {**told, "Tags": tag_list(row.plan["tags"])} if row.plan.get("tags") else told


def brief(ctx: Ctx, row: Row) -> Doc:
    """The instance profile as lists answer it, with its role."""
    name = row.plan.get("role")
    return {**row.doc, "Roles": [briefly(ctx, find_role(ctx, name))] if name else []}


def get_instance_profile(ctx: Ctx, request: Doc) -> Doc:
    """The instance profile; NoSuchEntity (404)."""
    return {
        "InstanceProfile": _told(ctx, read(ctx, request["InstanceProfileName"], ctx.world.rows))
    }


def list_instance_profiles(ctx: Ctx, request: Doc) -> Doc:
    """The instance profiles under PathPrefix, by name."""
    found = under(of_account(ctx, ctx.world.rows, PROFILE), request)
    return page("InstanceProfiles", [brief(ctx, row) for row in found], request)


def list_instance_profiles_for_role(ctx: Ctx, request: Doc) -> Doc:
    """The instance profiles that the role is in; NoSuchEntity (404)."""
    row = find_role(ctx, request["RoleName"])
    found = holding(ctx, row.name, ctx.world.rows)
    return page("InstanceProfiles", [brief(ctx, each) for each in found], request)


def holding(ctx: Ctx, role: str, rows: Reader) -> list[Row]:
    """The instance profiles that the role is in."""
    return [row for row in of_account(ctx, rows, PROFILE) if row.plan.get("role") == role]


def delete_instance_profile(ctx: Ctx, request: Doc) -> None:
    """The instance profile is gone; DeleteConflict (409) while a role is in it."""

    def work(changes: Changes) -> None:
        row = read(ctx, request["InstanceProfileName"], changes)
        if row.plan.get("role"):
            raise conflict("Cannot delete entity, must remove roles from instance profile first.")
        changes.delete(row)

    at_once(ctx, work)


def add_role_to_instance_profile(ctx: Ctx, request: Doc) -> None:
    """The role is in the instance profile; NoSuchEntity (404), LimitExceeded (409) where one is."""
    role = find_role(ctx, request["RoleName"])
    protect(role)

    def work(changes: Changes) -> None:
        row = read(ctx, request["InstanceProfileName"], changes)
        now = changes.by_id(role.id)
        if now is None or not now.status:
            raise no_role(role.name)
        if row.plan.get("role"):
            raise exceeded("InstanceSessionsPerInstanceProfile", 1)
        changes.store(replace(row, plan={**row.plan, "role": role.name}))

    at_once(ctx, work)


def remove_role_from_instance_profile(ctx: Ctx, request: Doc) -> None:
    """The role is not in the instance profile; NoSuchEntity (404), also where it was not."""
    role = find_role(ctx, request["RoleName"])

    def work(changes: Changes) -> None:
        row = read(ctx, request["InstanceProfileName"], changes)
        if row.plan.get("role") != role.name:
            raise no_role(role.name)
        changes.store(replace(row, plan={k: v for k, v in row.plan.items() if k != "role"}))

    at_once(ctx, work)
