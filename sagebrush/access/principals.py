"""Callers: the role or user behind each, its policies, and the condition keys about it.

Roles are IAM's rows (`services.iam.rows` has their operations). A deleted role allows nothing: a
session belongs to one incarnation of its role, identified by the role's unique id, and loses all
permissions with it. One exception, for notebooks written elsewhere (docs/clients.md, trap 2): the
owner's own key may name a role that was never created here. The name is kept as a stand-in for the
execution role of the settings: it has exactly that role's policies and trust policy, as they are at
each request, and only the owner, and whoever already runs as it, may name it again. The
administrator of a further account is the owner there.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sagebrush.access import accounts, policy, users
from sagebrush.access.policy import Policy, Principal
from sagebrush.credentials import (
    Caller,
    Identity,
    RoleSession,
    UserSession,
    fresh_role_id,
    role_id,
    role_of,
    user_name,
    user_of,
)
from sagebrush.errors import Doc
from sagebrush.store.rows import Exists, Row
from sagebrush.world import Ctx, World

REGION, KIND = "", "role"
"""IAM has no region."""
STAND_IN = "StandIn"
"""Status of a row that stands for the execution role; a deleted role's is empty."""
SERVICE = "sagemaker.amazonaws.com"
TRUSTED = ("sagemaker", "bedrock", "lambda", "states", "events", "scheduler", "comprehend")
"""Services that the execution role trusts."""
SERVICE_SESSION = 6 * 3600.0
"""Seconds that the credentials of jobs, endpoints and notebooks are good for; SDKs fetch new
ones."""
_ROLE_ARN = re.compile(r"arn:aws:iam::\d{12}:role(/[!-.0-~]+)*/[\w+=,.@-]{1,64}", re.ASCII)


def owns(world: World, caller: Caller) -> bool:
    """Whether the caller holds the long-lived key of this installation's owner."""
    return bool(caller.access_key) and world.credentials.owns(caller)


def administers(world: World, caller: Caller) -> bool:
    """Whether the caller holds the long-lived key of an account's administrator: the owner in the
    account of the settings."""
    return caller.administrator or owns(world, caller)


def gone(world: World, caller: Caller) -> bool:
    """Whether the role or user behind the caller was deleted, or replaced by another."""
    behind = caller.role is not None or caller.user is not None
    return behind and not administers(world, caller) and identity(world, caller) is None


BOUNDARY, SESSION_POLICY = "permissions boundary", "session policy"
"""What limits the policies of a role or user, in AWS's words."""
Limits = list[tuple[str, list[Policy]]]


def powers(world: World, caller: Caller) -> tuple[list[Policy], Limits]:
    """The caller's `policies` and `limits`, of one moment."""
    behind = None
    if (caller.role is None and caller.user is None) or administers(world, caller):
        held = [policy.ADMINISTRATOR]
    else:
        behind = identity(world, caller)
        held = list(behind.policies) if behind else []
    found: Limits = []
    if behind is not None and behind.boundary is not None:
        found.append((BOUNDARY, [behind.boundary]))
    if caller.policies or caller.federated:
        found.append((SESSION_POLICY, list(caller.policies)))
    return held, found


def policies(world: World, caller: Caller) -> list[Policy]:
    """The policies of the caller's role or user; none where it was deleted or is not the session's.

    The account itself (Sagebrush's own work) and an administrator's long-lived key may do
    everything, so that the owner cannot lock himself out.
    """
    return powers(world, caller)[0]


def limits(world: World, caller: Caller) -> Limits:
    """What must allow too whatever the caller's policies allow, by its name.

    IAM user guide, "Permissions boundaries for IAM entities" and "Policy evaluation logic"; a
    federated user may do nothing that no session policy allows ("Permissions for
    GetFederationToken").
    """
    return powers(world, caller)[1]


def everything(held: Sequence[Policy], limits: Limits) -> bool:
    """Whether the `powers` allow everything, and nothing limits them."""
    return not limits and bool(held) and all(p is policy.ADMINISTRATOR for p in held)


def identity(world: World, caller: Caller) -> Identity | None:
    """The role or user behind the caller; None without one, or where it was deleted or replaced by
    another."""
    name = (
        caller.role if caller.user is None else f"user/{caller.user}"
    )  # no role's: it has a slash
    if not name:
        return None
    cache = world.identities  # as it is before the row is read: see `forget`
    place = (caller.account, name)
    if place not in cache:
        cache[place] = _behind(world, caller)
    found = cache[place]
    if caller.user is not None:
        session = caller.session
        number = session.user_id if isinstance(session, UserSession) else caller.user_id
        return found if found and found.id == number else None
    session = caller.session
    if found and isinstance(session, RoleSession) and session.role_id != found.id:
        return None
    return found


def _behind(world: World, caller: Caller) -> Identity | None:
    if caller.user is not None:
        return users.identity(world.rows, caller.account, caller.user)
    row = find(world, caller.account, caller.role or "")
    if row is None:
        return None
    texts = [*row.plan.get("inline", {}).values(), *row.plan.get("attached", {}).values()]
    return users.made(row.doc["Arn"], row.doc["RoleId"], texts, row.plan)


# Roles --------------------------------------------------------------------------------------------


def find(world: World, account: str, name: str) -> Row | None:
    """The account's role of that name, a stand-in with the execution role's plan; None where it was
    deleted or never created."""
    if name == world.settings.role:
        seed(world, account)
    row = world.rows.get(account, REGION, KIND, name)
    if row is None or not row.status:
        return None
    return _filled(world, row) if row.status == STAND_IN else row


def named(world: World, caller: Caller, arn: str, abroad: bool = False) -> Row | None:
    """The role of that ARN, as far as `caller` may name it to assume or to pass it.

    None where there is no such role: of another account or partition, never created, deleted, or
    under another path. An administrator's key makes a stand-in of a name that was never created.
    With `abroad` the role may be another account's, but no stand-in there: whoever asks so lets the
    role's trust policy decide.
    """
    account, name = role_of(arn)
    own = account == caller.account
    if not (own or abroad) or not _ROLE_ARN.fullmatch(arn):
        return None
    if name == world.settings.role:
        seed(world, account)
    row = world.rows.get_lower(account, REGION, KIND, name)  # names differ by more than case
    if row is None:
        if not (own and administers(world, caller)):
            return None
        row = _stand_in(world, arn, name)
    if not row.status or row.name != name:
        return None
    if row.status != STAND_IN:
        return row if row.doc["Arn"] == arn else None
    behind = identity(world, caller)
    itself = caller.role is None and caller.user is None
    runs = behind is not None and behind.id == row.doc["RoleId"]
    may = own and (administers(world, caller) or itself or runs)
    return _filled(world, row) if may else None


def _stand_in(world: World, arn: str, name: str) -> Row:
    doc = {
        "Path": arn.split(":role", 1)[1].removesuffix(name),
        "RoleName": name,
        "RoleId": fresh_role_id(),
        "Arn": arn,
        "CreateDate": _moment(world),
        "Description": f"Named by a client, never created here: stands for {world.settings.role}",
    }
    account = role_of(arn)[0]
    with contextlib.suppress(Exists):
        world.rows.insert(Row(account, REGION, KIND, name, STAND_IN, doc))
    forget(world)
    row = world.rows.get(account, REGION, KIND, name)
    assert row is not None
    return row


def _filled(world: World, row: Row) -> Row:
    """A stand-in with what it has of the execution role; when it was used is its own."""
    execution = find(world, row.account, world.settings.role)
    used = {"used": row.plan.get("used")}
    if execution is None:
        plan: Doc = {"trust": NOBODY, "inline": {}, "attached": {}, "tags": {}}
        return replace(row, plan={**plan, **used})
    hours = {"MaxSessionDuration": execution.doc["MaxSessionDuration"]}
    return replace(row, doc={**row.doc, **hours}, plan={**execution.plan, **used})


NOBODY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}],
    }
)
"""The trust policy of a stand-in for a role that was deleted."""


def seed(world: World, account: str) -> None:
    """The account, where there is one, has an execution role of the settings' name: trusted by the
    services, an administrator."""
    name = world.settings.role
    row = world.rows.get(account, REGION, KIND, name)
    if (row is not None and row.status != STAND_IN) or not accounts.exists(world, account):
        return
    doc, plan = _administrator(world, account, name)
    if row is None:
        with contextlib.suppress(Exists):
            world.rows.insert(Row(account, REGION, KIND, name, "Active", doc, plan))
    else:
        world.rows.update(row.id, lambda row: replace(row, status="Active", doc=doc, plan=plan))
    forget(world)


def _administrator(world: World, account: str, name: str) -> tuple[Doc, Doc]:
    """Document and plan of a role that may do everything and that services may assume."""
    services = [f"{service}.amazonaws.com" for service in TRUSTED]
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": services, "AWS": f"arn:aws:iam::{account}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    doc = {
        "Path": "/",
        "RoleName": name,
        "RoleId": role_id(account, name),
        "Arn": f"arn:aws:iam::{account}:role/{name}",
        "CreateDate": _moment(world),
        "MaxSessionDuration": 43200,
        "Description": "Sagebrush's execution role",
    }
    attached = {"arn:aws:iam::aws:policy/AdministratorAccess": json.dumps(policy.ADMINISTRATOR)}
    return doc, {"trust": json.dumps(trust), "inline": {}, "attached": attached, "tags": {}}


def forget(world: World) -> None:
    """Cached policies and long-lived keys are dropped: later requests read the rows."""
    world.identities = {}  # whoever has read an older row fills the old one
    world.credentials.forget()


def _moment(world: World) -> dt.datetime:
    return dt.datetime.fromtimestamp(round(world.clock(), 3), dt.UTC)


# Trust --------------------------------------------------------------------------------------------


def pins(world: World, trust: Policy) -> dict[str, str]:
    """ARN -> unique id of each role and user, of any account here, that a trust policy names.

    The policy keeps naming that one: one created later under the same name is another (IAM user
    guide, "AWS JSON policy elements: Principal", IAM role principals).
    """
    found = {}
    for arn in policy.principals(trust):
        account, name = role_of(arn)
        row, number = find(world, account, name) if name else None, "RoleId"
        if not name:
            account, name = user_of(arn)
            row, number = users.find(world.rows, account, name) if name else None, "UserId"
        if row is not None and row.doc["Arn"] == arn:
            found[arn] = row.doc[number]
    return found


def shown_trust(world: World, row: Row) -> str:
    """The role's trust policy as it is told: in place of a role or user that is gone, its unique id.

    IAM user guide, "AWS JSON policy elements: Principal", IAM role principals: the ARN "no longer
    maps back" once the role was deleted, also where another has its name.
    """
    return shown_policy(world, row.plan["trust"], row.plan.get("pins", {}))


def shown_policy(world: World, text: str, pinned: Mapping[str, str]) -> str:
    """The policy of a resource as it is told, with the unique ids of `pins` as it was put."""
    document: Policy = json.loads(text)
    now = pins(world, document) if pinned else {}
    gone = {arn: number for arn, number in pinned.items() if now.get(arn) != number}
    if not gone:
        return text
    policy.rename(document, gone)
    return json.dumps(document)


def trust(row: Row, who: Principal, action: str, context: policy.Context) -> policy.Decision:
    """What the role's trust policy decides about `action` on the role."""
    document: Policy = json.loads(row.plan["trust"])
    who = meant(who, row.plan.get("pins", {}))
    return policy.evaluate([document], "", action, row.doc["Arn"], context, who)


def meant(who: Principal, pinned: Mapping[str, str]) -> Principal:
    """The principal by those of its names by which a policy with these pins means it."""
    role, session = (
        frozenset(name for name in names if pinned.get(name, name) in names)
        for names in (who.role, who.session)
    )
    return replace(who, role=role, session=session)


def service(ctx: Ctx, source: str, name: str = SERVICE) -> tuple[Principal, dict[str, str]]:
    """The service as a principal, and the keys of a request that it makes for the resource `source`.

    IAM user guide, "The confused deputy problem", cross-service confused deputy prevention.
    """
    keys = {
        "aws:SourceAccount": ctx.account,
        "aws:SourceArn": source,
        "aws:PrincipalIsAWSService": "true",
        "aws:PrincipalServiceName": name,
    }
    return Principal(service=name), {**surroundings(ctx), **keys}


# What policies may ask ----------------------------------------------------------------------------


def principal(world: World, caller: Caller) -> Principal:
    """The caller by the names that the policy of a resource may have for it.

    A user is named as directly as a session is (IAM user guide, "Policy evaluation logic", IAM
    user); a federated user is to its user as a session to its role.
    """
    found = identity(world, caller)
    names = frozenset((found.arn, found.id)) if found else frozenset()
    if found and caller.user is not None and not caller.federated:
        return Principal(caller.account, session=names)
    role = names
    session = {caller.arn} if found else set()
    if owns(world, caller):
        session.add(f"arn:aws:iam::{caller.account}:user/{user_name()}")
    return Principal(caller.account, role, frozenset(session))


def keys(ctx: Ctx) -> dict[str, str]:
    """The condition keys about the caller, and those of every request.

    IAM user guide, "AWS global condition context keys", properties of the principal and of the role
    session. Session tags stand over the role's of the same key, whatever their case.
    """
    caller, session = ctx.caller, ctx.caller.session
    found = identity(ctx.world, caller)
    tags = {**(found.tags if found else {}), **(session.tags if session else {})}
    values = {
        "aws:PrincipalAccount": caller.account,
        "aws:PrincipalArn": found.arn if found and caller.role else caller.arn,
        "aws:PrincipalType": _type(caller),
        "aws:PrincipalIsAWSService": "false",
        "aws:ViaAWSService": "false",
        "aws:userid": caller.user_id,
    }
    values |= {f"aws:principaltag/{key.lower()}": value for key, value in tags.items()}
    if administers(ctx.world, caller):
        values["aws:username"] = user_name()
    elif caller.user is not None and not caller.federated:
        values["aws:username"] = caller.user
    if session:
        values["aws:TokenIssueTime"] = _iso(session.issued)
        values["aws:MultiFactorAuthPresent"] = "false"
        if session.source_identity:
            values["aws:SourceIdentity"] = session.source_identity
    return {**surroundings(ctx), **values}


def _type(caller: Caller) -> str:
    """`aws:PrincipalType`."""
    if caller.user is not None:
        return "FederatedUser" if caller.federated else "User"
    return "AssumedRole" if caller.role else "Account"


def surroundings(ctx: Ctx) -> dict[str, str]:
    """The condition keys of every request, whoever makes it."""
    now = ctx.world.clock()
    return {
        "aws:RequestedRegion": ctx.region,
        "aws:CurrentTime": _iso(now),
        "aws:EpochTime": str(int(now)),
    }


def _iso(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def service_session(world: World, role_arn: str, name: str = "SageMaker") -> RoleSession:
    """The session, of that `name`, with which a service acts as the role: for a job, an endpoint, a
    notebook, or (under its own name) a function.

    It may do nothing where the role was deleted.
    """
    account, role = role_of(role_arn)
    row = find(world, account, role) if role else None
    same = row is not None and (row.status == STAND_IN or row.doc["Arn"] == role_arn)
    return RoleSession(role_arn, row.doc["RoleId"] if row and same else "", name)


def service_credentials(world: World, role_arn: str, name: str = "SageMaker") -> dict[str, str]:
    """New credentials of such a session, in the form of ECS's credentials endpoint."""
    session = service_session(world, role_arn, name)
    return world.credentials.container_document(session, SERVICE_SESSION)
