"""IAM: the account's alias, its summary, and the rules for passwords.

There is no console to sign in to, so no user has a password: the rules are kept as they are given,
and have nothing to rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sagebrush.access import managed_policies, principals
from sagebrush.errors import AwsError, Doc
from sagebrush.services.iam import access_keys, attached, groups, versions
from sagebrush.services.iam.holders import GROUP, HOLDERS, ROLE, USER
from sagebrush.services.iam.instance_profiles import PROFILE
from sagebrush.services.iam.operations import LONGEST_TRUST
from sagebrush.services.iam.policies import LARGEST
from sagebrush.services.iam.rows import (
    POLICY,
    at_once,
    holders,
    missing,
    of_account,
    page,
    seeded,
    versions_of,
)
from sagebrush.store.changes import Changes
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx

SETTINGS = "account-settings"
"""The kind of the one row of an account that holds its alias and its rules for passwords."""


def _settings(ctx: Ctx, rows: Reader) -> Doc:
    row = rows.get(ctx.account, principals.REGION, SETTINGS, ctx.account)
    return row.doc if row is not None else {}


def _change(ctx: Ctx, change: Callable[[Doc, Changes], Doc]) -> None:
    def work(changes: Changes) -> None:
        place = (ctx.account, principals.REGION, SETTINGS, ctx.account)
        row = changes.get(*place)
        if row is None:
            changes.insert(Row(*place, "Active", change({}, changes)))
        else:
            changes.store(replace(row, doc=change(row.doc, changes)))

    at_once(ctx, work)


# The alias ----------------------------------------------------------------------------------------


def create_account_alias(ctx: Ctx, request: Doc) -> None:
    """The account has this one alias; EntityAlreadyExists (409) for another account's."""
    alias = request["AccountAlias"]

    def change(old: Doc, rows: Changes) -> Doc:
        if any(row.doc.get("Alias") == alias for row in rows.select(SETTINGS)):
            words = f"The account alias {alias} already exists."
            raise AwsError("EntityAlreadyExists", words, 409)
        return {**old, "Alias": alias}

    _change(ctx, change)


def list_account_aliases(ctx: Ctx, request: Doc) -> Doc:
    """The account's alias, if it has one."""
    alias = _settings(ctx, ctx.world.rows).get("Alias")
    return page("AccountAliases", [alias] if alias else [], request)


def delete_account_alias(ctx: Ctx, request: Doc) -> None:
    """The account has no alias; NoSuchEntity (404) where it has not this one."""
    alias = request["AccountAlias"]

    def change(old: Doc, _: Changes) -> Doc:
        if old.get("Alias") != alias:
            raise missing(f"The account alias {alias} cannot be found.")
        return {k: v for k, v in old.items() if k != "Alias"}

    _change(ctx, change)


# Passwords ----------------------------------------------------------------------------------------

_RULES = (
    "RequireSymbols", "RequireNumbers", "RequireUppercaseCharacters", "RequireLowercaseCharacters",
    "AllowUsersToChangePassword", "HardExpiry",
)  # fmt: skip


def update_account_password_policy(ctx: Ctx, request: Doc) -> None:
    """The rules are those given, and AWS's defaults for the others."""
    rules = {name: bool(request.get(name)) for name in _RULES}
    numbers = {
        name: request[name]
        for name in ("MaxPasswordAge", "PasswordReusePrevention")
        if request.get(name)
    }
    rules |= {"MinimumPasswordLength": request.get("MinimumPasswordLength", 6), **numbers}
    rules["ExpirePasswords"] = "MaxPasswordAge" in numbers
    _change(ctx, lambda old, _: {**old, "PasswordPolicy": rules})


def get_account_password_policy(ctx: Ctx, request: Doc) -> Doc:
    """The rules for passwords; NoSuchEntity (404) while none were given."""
    rules = _settings(ctx, ctx.world.rows).get("PasswordPolicy")
    if rules is None:
        raise missing(f"The Password Policy with domain name {ctx.account} cannot be found.")
    return {"PasswordPolicy": rules}


def delete_account_password_policy(ctx: Ctx, request: Doc) -> None:
    """There are no rules for passwords; NoSuchEntity (404) where there were none."""

    def change(old: Doc, _: Changes) -> Doc:
        if "PasswordPolicy" not in old:
            raise missing("The account policy with name PasswordPolicy cannot be found.")
        return {k: v for k, v in old.items() if k != "PasswordPolicy"}

    _change(ctx, change)


# The summary --------------------------------------------------------------------------------------


def get_account_summary(ctx: Ctx, request: Doc) -> Doc:
    """How many there are of each kind, and how many there may be (AWS's quotas)."""
    seeded(ctx)
    rows = ctx.world.rows
    policies = of_account(ctx, rows, POLICY)
    used = {arn for row in holders(ctx, rows) for arn in row.plan.get("attached", {})}
    known = len(used & managed_policies.KNOWN.keys())
    in_use = known + sum(len(versions_of(row)) for row in policies if row.name in used)
    counts = {
        "Users": len(of_account(ctx, rows, USER.kind)),
        "Groups": len(of_account(ctx, rows, GROUP.kind)),
        "Roles": len(of_account(ctx, rows, ROLE.kind)),
        "Policies": len(policies),
        "PolicyVersionsInUse": in_use,
        "InstanceProfiles": len(of_account(ctx, rows, PROFILE)),
        "AccountMFAEnabled": 0,
        "AccountAccessKeysPresent": 0,
        "AccountPasswordPresent": 0,
        "AccountSigningCertificatesPresent": 0,
        "MFADevices": 0,
        "MFADevicesInUse": 0,
        "Providers": 0,
        "ServerCertificates": 0,
    }
    quotas = {
        "UsersQuota": 5000,
        "GroupsQuota": 300,
        "RolesQuota": 1000,
        "PoliciesQuota": 1500,
        "PolicyVersionsInUseQuota": 10000,
        "InstanceProfilesQuota": 1000,
        "ServerCertificatesQuota": 20,
        "SigningCertificatesPerUserQuota": 2,
        "GlobalEndpointTokenVersion": 1,
        "AccessKeysPerUserQuota": access_keys.MOST,
        "GroupsPerUserQuota": groups.MOST,
        "VersionsPerPolicyQuota": versions.MOST,
        "AssumeRolePolicySizeQuota": LONGEST_TRUST,
        "PolicySizeQuota": LARGEST,
        **{f"{holder.word}PolicySizeQuota": holder.largest for holder in HOLDERS},
        **{f"AttachedPoliciesPer{holder.word}Quota": attached.MOST for holder in HOLDERS},
    }
    return {"SummaryMap": {**counts, **quotas}}
