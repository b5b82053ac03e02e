"""STS: who asks, and credentials for roles (STS API Reference)."""

from __future__ import annotations

import datetime as dt
import json

from sagebrush.access import managed_policies, policy
from sagebrush.credentials import Session, role_id
from sagebrush.errors import AwsError, Doc
from sagebrush.world import Ctx

HOUR = 3600


def get_caller_identity(ctx: Ctx, request: Doc) -> Doc:
    """The caller's account, ARN and unique id."""
    return {
        "UserId": ctx.caller.user_id,
        "Account": ctx.caller.account,
        "Arn": ctx.caller.arn,
    }


def assume_role(ctx: Ctx, request: Doc) -> Doc:
    """Credentials that speak as the role; AccessDenied (403) where its trust policy says no.

    A role that was never created here may be assumed by everyone of the account. Session policies
    limit what the role's own allow.
    """
    arn, name = request["RoleArn"], request["RoleSessionName"]
    account, role = _role(arn)
    seconds = request.get("DurationSeconds", HOUR)
    row = ctx.world.rows.get(ctx.account, "", "role", role)
    if account != ctx.account or (row is not None and not _trusted(ctx, row.status, row.plan)):
        raise AwsError(
            "AccessDenied",
            f"User: {ctx.caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}",
            403,
        )
    longest = row.doc["MaxSessionDuration"] if row is not None else 12 * HOUR
    if seconds > longest:
        raise AwsError(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )
    given = _session_policies(request)
    session = ctx.world.credentials.issue(arn, name, seconds, given)
    user = {
        "AssumedRoleId": f"{role_id(account, role)}:{name}",
        "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{name}",
    }
    result: Doc = {"Credentials": credentials(session), "AssumedRoleUser": user}
    if given:
        result["PackedPolicySize"] = min(100, len(json.dumps(given)) * 100 // 4096 + 1)
    if "SourceIdentity" in request:
        result["SourceIdentity"] = request["SourceIdentity"]
    return result


def get_session_token(ctx: Ctx, request: Doc) -> Doc:
    """Temporary credentials of the user; AccessDenied (403) for a caller that has such already."""
    if ctx.caller.access_key != ctx.world.credentials.user_key[0]:
        raise AwsError("AccessDenied", "Cannot call GetSessionToken with session credentials", 403)
    settings = ctx.world.settings
    arn = f"arn:aws:iam::{settings.account}:role/{settings.role}"
    name = ctx.caller.arn.rsplit("/", 1)[-1]
    seconds = request.get("DurationSeconds", 12 * HOUR)
    return {"Credentials": credentials(ctx.world.credentials.issue(arn, name, seconds))}


def get_access_key_info(ctx: Ctx, request: Doc) -> Doc:
    """The account of an access key; there is one account here."""
    return {"Account": ctx.account}


def credentials(session: Session) -> Doc:
    """STS's Credentials structure."""
    return {
        "AccessKeyId": session.access_key,
        "SecretAccessKey": session.secret,
        "SessionToken": session.token,
        "Expiration": dt.datetime.fromtimestamp(session.expires, dt.UTC),
    }


def _role(arn: str) -> tuple[str, str]:
    """Account and name of a role ARN; raises ValidationError."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "iam" or not parts[5].startswith("role/"):
        raise AwsError("ValidationError", f"{arn} is invalid")
    return parts[4], parts[5].rsplit("/", 1)[-1]


def _trusted(ctx: Ctx, status: str, plan: Doc) -> bool:
    """Whether the role exists and its trust policy names the caller, its role or its account."""
    if not status:
        return False
    account, role = ctx.account, ctx.caller.role
    names = {ctx.caller.arn, account, f"arn:aws:iam::{account}:root"}
    if role:
        row = ctx.world.rows.get(account, "", "role", role)
        names.add(row.doc["Arn"] if row and row.status else f"arn:aws:iam::{account}:role/{role}")
    return policy.trusts(policy.parse(plan["trust"], trust=True), names)


def _session_policies(request: Doc) -> list[policy.Policy]:
    """The policies that limit the session; raises MalformedPolicyDocument."""
    found: list[policy.Policy] = []
    if request.get("Policy"):
        try:
            found.append(policy.parse(request["Policy"]))
        except policy.Malformed as error:
            raise AwsError("MalformedPolicyDocument", str(error)) from error
    for entry in request.get("PolicyArns") or ():
        document = managed_policies.KNOWN.get(entry.get("arn", ""))
        if document is None:
            raise AwsError("MalformedPolicyDocument", f"Policy {entry.get('arn')} is not known.")
        found.append(document)
    return found
