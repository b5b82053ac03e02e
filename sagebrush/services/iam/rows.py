"""IAM's rows: roles, users, groups, customer-managed policies. IAM has no region.

A role's plan holds `trust` (the trust policy's text), `pins` (ARN -> unique id of the roles that it
names), `inline` (name -> text), `attached` (policy ARN -> text), `tags` and `boundary` (`arn` and
`text` of its permissions boundary). A deleted role leaves a row that allows nothing, and so does not
become a stand-in (`principals`). Users' and groups' plans have `inline` and `attached` too, users'
also `tags`, `boundary` and `groups` (names). An access key's row is under no account, so that it is
found by its id alone: its plan holds `account`.

A managed policy's plan holds `versions` (id -> `text` and `created`), `last` (the highest number that
a version had), and `document` and `text` of the default version. Texts of attached policies are kept
with those that they are attached to: whatever changes the default version changes them too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote

from sagebrush.access import grammar, managed_policies, policy, principals
from sagebrush.access.principals import KIND, REGION
from sagebrush.aws import linked_roles
from sagebrush.credentials import fresh_role_id, role_id
from sagebrush.engine.kinds import paginate
from sagebrush.errors import AwsError, Doc
from sagebrush.store.changes import Changes, together
from sagebrush.store.rows import Check, Reader, Row
from sagebrush.world import Ctx

POLICY, USER, GROUP, ACCESS_KEY = "policy", "user", "group", "access-key"
MOST_TAGS = 50
T = TypeVar("T")


def at_once(ctx: Ctx, work: Callable[[Changes], T]) -> T:
    """What `work` answers, whose changes are made together; policies are read again after them."""
    found = together(ctx.world.db, ctx.world.rows, work)
    principals.forget(ctx.world)
    return found


def fresh_id(prefix: str) -> str:
    """A unique id that nothing had before: `AIDA…` for a user (IAM user guide, "IAM identifiers")."""
    return prefix + fresh_role_id()[4:]


def seeded(ctx: Ctx) -> None:
    """The account's execution role is among its roles."""
    principals.seed(ctx.world, ctx.account)


def of_account(ctx: Ctx, rows: Reader, kind: str) -> list[Row]:
    """The account's rows of the kind by name; of roles those that exist."""
    found = [row for row in rows.select(kind, account=ctx.account) if row.status]
    return sorted(found, key=lambda row: row.name)


def under(rows: Sequence[Row], request: Doc) -> list[Row]:
    """Those whose path begins with the request's PathPrefix."""
    prefix = request.get("PathPrefix", "/")
    return [row for row in rows if row.doc["Path"].startswith(prefix)]


def insert_role(ctx: Ctx, doc: Doc, plan: Doc, check: Check | None = None) -> None:
    """The role's row, new or in place of a deleted role's or of a stand-in.

    Raises EntityAlreadyExists (409), also where only the case of a name differs (IAM user guide,
    "IAM identifiers"), and what `check` raises in the transaction.
    """
    name = doc["RoleName"]
    seeded(ctx)

    def work(changes: Changes) -> None:
        if any(
            row.name.lower() == name.lower() and _real(row)
            for row in of_account(ctx, changes, KIND)
        ):
            raise AwsError("EntityAlreadyExists", f"Role with name {name} already exists.", 409)
        if check is not None:
            check(changes)
        old = changes.get(ctx.account, REGION, KIND, name)
        if old is not None:
            changes.store(replace(old, status="Active", doc=doc, plan=plan))
        else:
            changes.insert(Row(ctx.account, REGION, KIND, name, "Active", doc, plan))

    at_once(ctx, work)


def _real(row: Row) -> bool:
    """Whether the role was created and not deleted."""
    return row.status not in ("", principals.STAND_IN)


def find_role(ctx: Ctx, name: str) -> Row:
    """The role's row; raises NoSuchEntity (404)."""
    row = principals.find(ctx.world, ctx.account, name)
    if row is None:
        raise no_role(name)
    return row


def no_role(name: str) -> AwsError:
    """The error for a role that does not exist."""
    return missing(f"The role with name {name} cannot be found.")


def change_role(ctx: Ctx, row: Row, change: Callable[[Row], Row]) -> None:
    """The row is changed, and the policies that requests are checked by are read again.

    Raises what `must_be_own` does, and what `change` raises in the transaction that changes it.
    """

    def there(row: Row) -> Row:
        must_be_own(ctx, row)
        return change(row)

    if ctx.world.rows.update(row.id, there) is None:
        raise no_role(row.name)
    principals.forget(ctx.world)


def must_be_own(ctx: Ctx, row: Row) -> None:
    """Raises NoSuchEntity (404) for a role that was deleted meanwhile and for a stand-in, which has
    nothing of its own to change."""
    if not row.status:
        raise no_role(row.name)
    if row.status == principals.STAND_IN:
        raise missing(
            f"The role with name {row.name} cannot be found: it was never created here, and"
            f" stands for {ctx.world.settings.role}."
        )


def protect(row: Row) -> None:
    """Raises UnmodifiableEntity (400) for a service-linked role, which its service alone changes."""
    if row.doc.get("Path", "").startswith(linked_roles.PATH):
        raise AwsError(
            "UnmodifiableEntity",
            f"Cannot perform the operation on the protected role '{row.name}' - this role is only"
            " modifiable by AWS",
        )


def shown(ctx: Ctx, row: Row) -> Doc:
    """The role as Get and Create answer it: policies travel URL-encoded (RFC 3986)."""
    trust = principals.shown_trust(ctx.world, row)
    return {**row.doc, "AssumeRolePolicyDocument": quote(trust, safe=""), **extras(row)}


def briefly(ctx: Ctx, row: Row) -> Doc:
    """The role as lists answer it: without tags and permissions boundary (API reference,
    ListRoles)."""
    left_out = ("Tags", "PermissionsBoundary")
    return {name: value for name, value in shown(ctx, row).items() if name not in left_out}


def last_used(row: Row) -> Doc:
    """RoleLastUsed: when and in which region a session of the role made a request, as far as that
    was recorded (`access.last_use`); empty before the first."""
    return dict(row.plan.get("used") or {})


def extras(row: Row) -> Doc:
    """The tags and the permissions boundary of a role or user, as Get and Create answer them."""
    shown: Doc = {}
    if row.plan.get("tags"):
        shown["Tags"] = tag_list(row.plan["tags"])
    if row.plan.get("boundary"):
        arn = row.plan["boundary"]["arn"]
        shown["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "Policy",  # what IAM answers; its model knows another word
            "PermissionsBoundaryArn": arn,
        }
    return shown


def parsed(text: str, kind: str = grammar.IDENTITY) -> policy.Policy:
    """The policy, of one of the grammar's kinds; raises MalformedPolicyDocument."""
    try:
        return grammar.parse(text, kind)
    except policy.Malformed as error:
        raise AwsError("MalformedPolicyDocument", str(error)) from error


def tag_map(request: Doc) -> dict[str, str]:
    """The tags of a request; raises InvalidInput (400) where two keys differ by case alone (IAM user
    guide, "Tags for AWS Identity and Access Management resources")."""
    tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags") or ()}
    if len({key.lower() for key in tags}) < len(request.get("Tags") or ()):
        raise AwsError(
            "InvalidInput",
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        )
    return tags


def tag_list(tags: Mapping[str, str]) -> list[Doc]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def page(member: str, found: Sequence[Any], request: Doc) -> Doc:
    """One page of a list, in IAM's words; raises ValidationError for a foreign Marker."""
    try:
        page, marker = paginate(found, request.get("Marker"), request.get("MaxItems", 100))
    except AwsError as error:
        raise AwsError("ValidationError", "Invalid Marker.") from error
    shown: Doc = {member: list(page), "IsTruncated": marker is not None}
    return {**shown, "Marker": marker} if marker else shown


def missing(message: str) -> AwsError:
    return AwsError("NoSuchEntity", message, 404)


def conflict(message: str) -> AwsError:
    """The error for what cannot be deleted yet: `must detach all policies first`."""
    return AwsError("DeleteConflict", message, 409)


def exceeded(quota: str, most: int) -> AwsError:
    """The error for one more than an account, or one of its entities, may have."""
    return AwsError("LimitExceeded", f"Cannot exceed quota for {quota}: {most}", 409)


def managed(ctx: Ctx, arn: str, rows: Reader | None = None) -> Doc:
    """`doc`, `text` and `versions` of a managed policy, as `rows` see it (default: as it is now);
    raises NoSuchEntity (404)."""
    document = managed_policies.KNOWN.get(arn)
    if document is not None:
        name = arn.rsplit("/", 1)[-1]
        doc = {
            "PolicyName": name,
            "PolicyId": "ANPA" + role_id("aws", arn)[4:],
            "Arn": arn,
            "Path": arn.split(":policy", 1)[1].removesuffix(name),
            "DefaultVersionId": "v1",
            "IsAttachable": True,
        }  # without dates: the documents here are not AWS's versions of them
        text = json.dumps(document)
        return {"doc": doc, "text": text, "versions": {"v1": {"text": text}}}
    row = own_policy(ctx, arn, rows or ctx.world.rows)
    return {"doc": row.doc, "text": row.plan["text"], "versions": versions_of(row)}


def versions_of(row: Row) -> dict[str, Doc]:
    """The versions of a customer-managed policy, oldest first; one of before there were versions
    has its first."""
    first = {"text": row.plan["text"], "created": row.doc["CreateDate"]}
    return row.plan.get("versions") or {"v1": first}


def own_policy(ctx: Ctx, arn: str, rows: Reader) -> Row:
    """The customer-managed policy; raises NoSuchEntity (404)."""
    row = rows.get(ctx.account, REGION, POLICY, arn)
    if row is None:
        raise missing(f"Policy {arn} was not found.")
    return row


def attachable(ctx: Ctx, arn: str, rows: Reader) -> str:
    """The text of the managed policy's default version; raises NoSuchEntity (404)."""
    try:
        return managed(ctx, arn, rows)["text"]
    except AwsError as error:
        raise missing(f"Policy {arn} does not exist or is not attachable.") from error


HOLDERS = (KIND, USER, GROUP)
"""The kinds that managed policies are attached to, and of which they are the boundaries."""


def holders(ctx: Ctx, rows: Reader) -> list[Row]:
    """The account's roles, users and groups."""
    return [row for kind in HOLDERS for row in of_account(ctx, rows, kind)]


def bounded_by(row: Row) -> str:
    """The ARN of the permissions boundary; "" without one."""
    return (row.plan.get("boundary") or {}).get("arn", "")


def bounded(ctx: Ctx, arn: str, rows: Reader) -> int:
    """How many roles and users have the managed policy as their permissions boundary."""
    return sum(1 for row in holders(ctx, rows) if bounded_by(row) == arn)


def attachments(ctx: Ctx, arn: str, rows: Reader) -> int:
    """How many roles, users and groups the managed policy is attached to."""
    return sum(1 for row in holders(ctx, rows) if arn in row.plan.get("attached", {}))
