"""STS: the caller's identity, and credentials for roles and users (STS API Reference).

IAM user guide, "Pass session tags in AWS STS", "Monitor and control actions taken with assumed
roles", "IAM and AWS STS condition context keys".
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from urllib.parse import unquote

from sagebrush.access import (
    accounts,
    conditions,
    grammar,
    managed_policies,
    policy,
    principals,
    users,
)
from sagebrush.credentials import RoleSession, Session, Terms, UserSession, role_of
from sagebrush.errors import AwsError, Doc
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

HOUR = 3600
PACKED = 4096
"""Most bytes of the packed session policies and tags of one session."""
MANAGED = 10
"""Managed policies that may limit one session."""


def get_caller_identity(ctx: Ctx, request: Doc) -> Doc:
    """The caller's account, ARN and unique id."""
    return {
        "UserId": ctx.caller.user_id,
        "Account": ctx.caller.account,
        "Arn": ctx.caller.arn,
    }


def assume_role(ctx: Ctx, request: Doc) -> Doc:
    """Credentials of the role; AccessDenied (403) where it does not exist or may not be assumed.

    The role's trust policy must allow it; so must the caller's own policies where the trust policy
    names only the account, or the caller is of another account than the role (API reference,
    AssumeRole). Session policies limit what the role's own allow. Transitive tags and the source
    identity of an earlier session are passed on.
    """
    arn = request["RoleArn"]
    if not role_of(arn)[1]:
        raise AwsError("ValidationError", f"{arn} is invalid")
    tags, passed = _tags(ctx, request)
    source = _source_identity(ctx, request)
    row = _target(ctx, arn)
    keys = {
        **conditions.of_connection(ctx, row.account),
        **principals.keys(ctx),
        **_keys(row, request, tags, source),
    }
    _require(ctx, row, "sts:AssumeRole", keys)
    if tags:
        _require(ctx, row, "sts:TagSession", keys)
    if source:
        _require(ctx, row, "sts:SetSourceIdentity", keys)
    seconds, name = _seconds(ctx, row, request), request["RoleSessionName"]
    given = tuple(dict(each) for each in _session_policies(ctx, row.account, request))
    session = RoleSession(
        arn,
        row.doc["RoleId"],
        name,
        policies=given,
        tags=tags,
        transitive=passed,
        source_identity=source,
    )
    packed = _packed(session)
    user = {
        "AssumedRoleId": f"{row.doc['RoleId']}:{name}",
        "Arn": f"arn:aws:sts::{row.account}:assumed-role/{row.name}/{name}",
    }
    issued = ctx.world.credentials.issue(session, seconds)
    result: Doc = {"Credentials": credentials(issued), "AssumedRoleUser": user, **packed}
    return {**result, "SourceIdentity": source} if source else result


def get_session_token(ctx: Ctx, request: Doc) -> Doc:
    """Temporary credentials of the user; AccessDenied (403) for a caller with temporary ones.

    An administrator's are of the execution role, as its key is.
    """
    caller = ctx.caller
    seconds = request.get("DurationSeconds", 12 * HOUR)
    _refuse_temporary(ctx, "GetSessionToken")
    if caller.user is not None:
        own = UserSession(caller.arn, caller.user_id)
        return {"Credentials": credentials(ctx.world.credentials.issue(own, seconds))}
    role = principals.find(ctx.world, ctx.account, ctx.world.settings.role)
    if role is None:
        raise AwsError("AccessDenied", "The execution role of the settings is not there.", 403)
    name = caller.arn.rsplit("/", 1)[-1]
    session = RoleSession(role.doc["Arn"], role.doc["RoleId"], name)
    return {"Credentials": credentials(ctx.world.credentials.issue(session, seconds))}


def _refuse_temporary(ctx: Ctx, name: str) -> None:
    """Raises AccessDenied (403) for a caller without a long-lived key."""
    user = ctx.caller.user is not None and ctx.caller.session is None
    if not user and not principals.administers(ctx.world, ctx.caller):
        raise AwsError("AccessDenied", f"Cannot call {name} with session credentials", 403)


def get_federation_token(ctx: Ctx, request: Doc) -> Doc:
    """Temporary credentials for somebody to whom the user lends some of its permissions.

    They may do what both the user's policies and the given ones allow: without one, nothing but
    what a resource's policy allows the federated user itself (API reference, GetFederationToken).
    Raises AccessDenied (403) for a caller with temporary credentials, MalformedPolicyDocument,
    PackedPolicyTooLarge.
    """
    _refuse_temporary(ctx, "GetFederationToken")
    tags, _ = _tags(ctx, request)
    name, caller = request["Name"], ctx.caller
    given = tuple(dict(each) for each in _session_policies(ctx, ctx.account, request))
    arn, number = f"arn:aws:iam::{ctx.account}:root", ctx.account
    if caller.user is not None:
        arn, number = caller.arn, caller.user_id
    session = UserSession(arn, number, name, policies=given, tags=tags)
    packed = _packed(session)
    seconds = request.get("DurationSeconds", 12 * HOUR)
    return {
        "Credentials": credentials(ctx.world.credentials.issue(session, seconds)),
        "FederatedUser": {
            "FederatedUserId": f"{ctx.account}:{name}",
            "Arn": f"arn:aws:sts::{ctx.account}:federated-user/{name}",
        },
        **packed,
    }


def get_access_key_info(ctx: Ctx, request: Doc) -> Doc:
    """The account of an access key of ours, in use, inactive or ended; ValidationError for others.

    How AWS refuses a key that nobody has is not documented. A user's key that was deleted is not
    known any more, unlike on AWS (API reference, GetAccessKeyInfo).
    """
    wanted, world = request["AccessKeyId"], ctx.world
    row = users.key(world.rows, wanted)
    others = accounts.others(world)
    account = row.plan["account"] if row else world.credentials.account_of(wanted, others)
    if account is None:
        raise AwsError("ValidationError", f"The access key {wanted} is not known.")
    return {"Account": account}


def credentials(session: Session) -> Doc:
    """STS's Credentials structure."""
    return {
        "AccessKeyId": session.access_key,
        "SecretAccessKey": session.secret,
        "SessionToken": session.token,
        "Expiration": dt.datetime.fromtimestamp(session.expires, dt.UTC),
    }


# Steps of AssumeRole ------------------------------------------------------------------------------


def _target(ctx: Ctx, arn: str) -> Row:
    """The role to be assumed; raises AccessDenied (403).

    Sessions of a deleted role are refused, whatever a trust policy names; a stand-in may be assumed
    by an administrator's own key alone.
    """
    world, caller = ctx.world, ctx.caller
    row = principals.named(world, caller, arn, abroad=True)
    owner = principals.administers(world, caller)
    gone = principals.gone(world, caller)
    if row is None or not (owner or (row.status != principals.STAND_IN and not gone)):
        raise _denied(ctx, "sts:AssumeRole", arn)
    return row


def _require(ctx: Ctx, row: Row, action: str, keys: Mapping[str, str | list[str]]) -> None:
    """Raises AccessDenied (403) unless trust policy and caller's policies allow it together."""
    world, caller, arn = ctx.world, ctx.caller, row.doc["Arn"]
    trust = principals.trust(row, principals.principal(world, caller), action, keys)
    held = policy.evaluate(principals.policies(world, caller), caller.arn, action, arn, keys)
    limits = [
        policy.evaluate(given, caller.arn, action, arn, keys)
        for _, given in principals.limits(world, caller)
    ]
    verdict = policy.together(trust, held, *limits)
    # AWS: in both policies, whomever the trust one names; so for another account's role
    both = action == "sts:SetSourceIdentity" or row.account != caller.account
    if verdict != policy.ALLOWED or (both and not all(each.allowed for each in (held, *limits))):
        raise _denied(ctx, action, arn)


def _denied(ctx: Ctx, action: str, arn: str) -> AwsError:
    """The refusal, the same for a role that does not exist, so that it does not reveal which do."""
    words = f"User: {ctx.caller.arn} is not authorized to perform: {action} on resource: {arn}"
    return AwsError("AccessDenied", words, 403)


def _keys(
    row: Row, request: Doc, tags: Mapping[str, str], source: str
) -> dict[str, str | list[str]]:
    """The condition keys of the request and of the role; STS's own only where the request sets
    them."""
    found: dict[str, str | list[str]] = {"sts:RoleSessionName": request["RoleSessionName"]}
    if "ExternalId" in request:
        found["sts:ExternalId"] = request["ExternalId"]
    if source:
        found["sts:SourceIdentity"] = source
    if tags:
        found["aws:TagKeys"] = list(tags)
        found |= {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    if request.get("TransitiveTagKeys"):
        found["sts:TransitiveTagKeys"] = list(request["TransitiveTagKeys"])
    for key, value in row.plan.get("tags", {}).items():
        found[f"aws:ResourceTag/{key}"] = found[f"iam:ResourceTag/{key}"] = value
    return found


def _tags(ctx: Ctx, request: Doc) -> tuple[dict[str, str], tuple[str, ...]]:
    """The session's tags and the keys of the transitive ones; raises InvalidParameterValue.

    Tags passed on by an earlier session cannot get another value. Keys are compared without case.
    """
    given = {tag["Key"]: tag["Value"] for tag in request.get("Tags") or ()}
    lower = {key.lower() for key in given}
    if len(lower) < len(request.get("Tags") or ()):
        raise _invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(key.startswith("aws:") for key in lower):
        raise _invalid("aws: prefixed tag key names are not allowed for external use.")
    wanted = {key.lower() for key in request.get("TransitiveTagKeys") or ()}
    if not wanted <= lower:
        raise _invalid("The specified transitive tag key must be included in the requested tags.")
    before = ctx.caller.session
    passed = {key: before.tags[key] for key in before.transitive} if before else {}
    if not lower.isdisjoint(key.lower() for key in passed):
        raise _invalid(
            "One of the specified transitive tag keys can't be set because it conflicts with a"
            " transitive tag key from the calling session."
        )
    return {**passed, **given}, (*passed, *(key for key in given if key.lower() in wanted))


def _source_identity(ctx: Ctx, request: Doc) -> str:
    """The source identity; once set, it stays the same for the whole chain (ValidationError)."""
    before = ctx.caller.session.source_identity if ctx.caller.session else ""
    wanted = request.get("SourceIdentity") or before
    if before and wanted != before:
        raise AwsError(
            "ValidationError", "The source identity is already set for this assume role session"
        )
    return wanted


def _seconds(ctx: Ctx, row: Row, request: Doc) -> int:
    """How long the session lasts; raises ValidationError for more than the role or a chain may."""
    seconds = request.get("DurationSeconds", HOUR)
    if seconds > row.doc["MaxSessionDuration"]:
        raise AwsError(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )
    if seconds > HOUR and isinstance(ctx.caller.session, RoleSession):
        raise AwsError(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by"
            " role chaining.",
        )
    return seconds


def _packed(session: Terms) -> Doc:
    """PackedPolicySize, where the session has policies or tags; raises PackedPolicyTooLarge."""
    share = session.packed * 100 // PACKED
    if session.packed > PACKED:
        raise AwsError(
            "PackedPolicyTooLarge",
            f"Packed size of session policies and session tags consumes {share}% of allotted space.",
        )
    return {"PackedPolicySize": max(1, share)} if session.policies or session.tags else {}


def _session_policies(ctx: Ctx, account: str, request: Doc) -> list[policy.Policy]:
    """The policies that limit a session in the account; raises MalformedPolicyDocument."""
    found: list[policy.Policy] = []
    if request.get("Policy"):
        try:
            found.append(grammar.parse(request["Policy"]))
        except policy.Malformed as error:
            raise AwsError("MalformedPolicyDocument", str(error)) from error
    entries = request.get("PolicyArns") or ()
    if len(entries) > MANAGED:
        raise AwsError("ValidationError", f"At most {MANAGED} managed policies may be given.")
    return [*found, *(_managed(ctx, account, entry.get("arn", "")) for entry in entries)]


def _managed(ctx: Ctx, account: str, arn: str) -> policy.Policy:
    """A managed policy, AWS's or the account's own; raises MalformedPolicyDocument."""
    if arn in managed_policies.KNOWN:
        return managed_policies.KNOWN[arn]
    iam = ctx.world.service_ctx(account=account)
    try:
        version = iam.call("iam", "GetPolicy", {"PolicyArn": arn})["Policy"]["DefaultVersionId"]
        asked = {"PolicyArn": arn, "VersionId": version}
        found = iam.call("iam", "GetPolicyVersion", asked)["PolicyVersion"]["Document"]
    except AwsError as error:
        raise AwsError("MalformedPolicyDocument", f"Policy {arn} is not known.") from error
    return json.loads(unquote(found))


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)
