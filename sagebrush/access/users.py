"""IAM users: who a long-lived key speaks for, and what a user may do with the groups it is in.

The rows are IAM's (`services.iam` has their operations). A user's: kind "user", plan `inline`
(name -> text), `attached` (ARN -> text), `tags`, `groups` (names) and `boundary`. A group's: kind
"group", plan `inline` and `attached`. A key's: kind "access-key" in no account, so that it is found
by its id alone; its plan has the `account`, and `administrator` for an account's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from sagebrush.access import policy
from sagebrush.access.policy import Policy
from sagebrush.credentials import ROOT, Caller, Holder, Identity, role_id, user_name
from sagebrush.errors import Doc
from sagebrush.store.rows import Reader, Row

REGION, KIND, GROUP, KEY = "", "user", "group", "access-key"
ACTIVE = "Active"


def holder(rows: Reader, execution: str) -> Holder:
    """Finds who a key speaks for; `execution` is the name of every account's execution role."""

    def found(access_key: str) -> Caller | None:
        row = key(rows, access_key)
        if row is None or row.status != ACTIVE:
            return None
        account, name = row.plan["account"], row.doc["UserName"]
        if row.plan.get("administrator"):
            return administrator(account, execution, access_key)
        user = find(rows, account, name)
        if user is None:
            return None
        doc = user.doc
        return Caller(doc["Arn"], doc["UserId"], account, access_key=access_key, user=name)

    return found


def administrator(account: str, execution: str, access_key: str) -> Caller:
    """The caller of an account's own key: the execution role, as the owner's key is in the account
    of the settings, so that SDKs find a role to pass."""
    me = user_name()
    return Caller(
        f"arn:aws:sts::{account}:assumed-role/{execution}/{me}",
        f"{role_id(account, execution)}:{me}",
        account,
        execution,
        access_key,
        administrator=True,
    )


def key(rows: Reader, access_key: str) -> Row | None:
    """The row of the key, whoever's it is."""
    return rows.get("", REGION, KEY, access_key)


def find(rows: Reader, account: str, name: str) -> Row | None:
    """The account's user of that name."""
    row = rows.get(account, REGION, KIND, name)
    return row if row is not None and row.status else None


def identity(rows: Reader, account: str, name: str) -> Identity | None:
    """The user with its policies and those of its groups; ROOT is the account's administrator."""
    if name == ROOT:
        return Identity(f"arn:aws:iam::{account}:root", account, (policy.ADMINISTRATOR,), {})
    row = find(rows, account, name)
    if row is None:
        return None
    texts = [*_texts(row.plan)]
    for group in row.plan.get("groups", ()):
        found = rows.get(account, REGION, GROUP, group)
        texts += _texts(found.plan) if found is not None and found.status else ()
    return made(row.doc["Arn"], row.doc["UserId"], texts, row.plan)


def _texts(plan: Doc) -> Iterator[str]:
    yield from plan.get("inline", {}).values()
    yield from plan.get("attached", {}).values()


def made(arn: str, number: str, texts: list[str], plan: Doc) -> Identity:
    """The identity with the policies of these texts, and the plan's tags and boundary."""
    boundary = plan.get("boundary")
    limit = json.loads(boundary["text"]) if boundary else None
    return Identity(arn, number, tuple(map(_parsed, texts)), plan.get("tags", {}), limit)


def _parsed(text: str) -> Policy:
    """The policy; the administrator's is the one that `dispatch` knows by identity."""
    found = json.loads(text)
    return policy.ADMINISTRATOR if found == policy.ADMINISTRATOR else found
