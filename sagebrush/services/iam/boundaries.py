"""IAM: permissions boundaries, what a role's policies can allow at most.

IAM user guide, "Permissions boundaries for IAM entities". Managed policies have one version here, so
a boundary's text is kept with the role.
"""

from __future__ import annotations

import json
from dataclasses import replace

from sagebrush.access import managed_policies
from sagebrush.errors import AwsError, Doc
from sagebrush.services.iam.rows import change_role, find_role, managed, missing, own_policy
from sagebrush.store.rows import Check, Reader, Row
from sagebrush.world import Ctx


def put_role_permissions_boundary(ctx: Ctx, request: Doc) -> None:
    """The managed policy limits the role, in place of one before; NoSuchEntity (404)."""
    row, arn = find_role(ctx, request["RoleName"]), request["PermissionsBoundary"]
    boundary = found(ctx, arn)

    def change(row: Row) -> Row:
        return replace(row, plan={**row.plan, "boundary": boundary})

    change_role(ctx, row, change, there(ctx, arn))


def delete_role_permissions_boundary(ctx: Ctx, request: Doc) -> None:
    """Nothing limits the role's policies; NoSuchEntity (404)."""
    row = find_role(ctx, request["RoleName"])

    def change(row: Row) -> Row:
        if "boundary" not in row.plan:
            raise missing(f"The role with name {row.name} has no permissions boundary.")
        plan = {name: value for name, value in row.plan.items() if name != "boundary"}
        return replace(row, plan=plan)

    change_role(ctx, row, change)


def found(ctx: Ctx, arn: str) -> Doc:
    """The boundary as a role keeps it; raises NoSuchEntity (404) for a policy not known here."""
    try:
        return {"arn": arn, "text": json.dumps(managed(ctx, arn)["document"])}
    except AwsError as error:
        raise missing(f"Scope ARN: {arn} does not exist or is not attachable.") from error


def there(ctx: Ctx, arn: str | None) -> Check:
    """Raises NoSuchEntity (404) where the account's own policy has been deleted meanwhile."""

    def check(rows: Reader) -> None:
        if arn is not None and arn not in managed_policies.KNOWN:
            own_policy(ctx, arn, rows)

    return check
