"""IAM: service-linked roles, which AWS's services alone change and assume (IAM user guide, "Create a
service-linked role").

AWS attaches a policy of the service's to each. Most of these services need none here: their roles are
there for tools that create them, and allow nothing.
"""

from __future__ import annotations

import json
import uuid

from sagebrush.access import principals
from sagebrush.aws.linked_roles import DOMAIN, PATH, may_have_suffix, name_of, policy_of
from sagebrush.credentials import fresh_role_id
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.iam.operations import erase_role
from sagebrush.services.iam.rows import (
    find_role,
    insert_role,
    managed,
    missing,
    no_role,
    shown,
)
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

TASK = "role-deletion"
"""The kind of the rows that tell what became of deletions."""


def create_service_linked_role(ctx: Ctx, request: Doc) -> Doc:
    """The service's role exists; InvalidInput (400) for what is no service, or has one already."""
    principal, suffix = request["AWSServiceName"], request.get("CustomSuffix")
    if not principal.endswith(DOMAIN) or principal == DOMAIN:
        raise AwsError("InvalidInput", f"{principal} is not the principal of a service.")
    if suffix and not may_have_suffix(principal):
        raise AwsError("InvalidInput", f"Custom suffix is not allowed for {principal}")
    name = name_of(principal, suffix)
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": [principal]},
                "Action": ["sts:AssumeRole"],
            }
        ],
    }
    path = f"{PATH}{principal}/"
    doc = {
        "Path": path,
        "RoleName": name,
        "RoleId": fresh_role_id(),
        "Arn": f"arn:aws:iam::{ctx.account}:role{path}{name}",
        "CreateDate": moment(ctx.world.clock()),
        "MaxSessionDuration": 3600,
        **({"Description": request["Description"]} if request.get("Description") else {}),
    }
    given = policy_of(principal)
    attached = {given: managed(ctx, given)["text"]} if given else {}
    plan = {"trust": json.dumps(trust), "pins": {}, "inline": {}, "attached": attached, "tags": {}}
    try:
        insert_role(ctx, doc, plan)
    except AwsError as error:
        words = (
            f"Service role name {name} has been taken in this account, please try a different"
            " suffix."
        )
        raise AwsError("InvalidInput", words) from error
    return {"Role": shown(ctx, find_role(ctx, name))}


def delete_service_linked_role(ctx: Ctx, request: Doc) -> Doc:
    """The role is deleted, and the task that says so is told; NoSuchEntity (404)."""
    row = find_role(ctx, request["RoleName"])
    if not row.doc["Path"].startswith(PATH):
        raise no_role(row.name)
    erase_role(ctx, row)
    task = f"task{row.doc['Path']}{row.name}/{uuid.uuid4()}"
    doc = {"Status": "SUCCEEDED"}
    ctx.world.rows.insert(Row(ctx.account, principals.REGION, TASK, task, "Succeeded", doc))
    return {"DeletionTaskId": task}


def get_service_linked_role_deletion_status(ctx: Ctx, request: Doc) -> Doc:
    """What became of the deletion; NoSuchEntity (404)."""
    task = request["DeletionTaskId"]
    row = ctx.world.rows.get(ctx.account, principals.REGION, TASK, task)
    if row is None:
        raise missing(f"Deletion id {task} cannot be found.")
    return row.doc
