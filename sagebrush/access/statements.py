"""The statements of a policy of a queue or topic: made for a label, listed, counted. Pure.

Amazon SQS and Amazon SNS API references, AddPermission and RemovePermission.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sagebrush.access import policy
from sagebrush.access.policy import Policy
from sagebrush.errors import Doc


def document(text: str) -> Doc:
    """The policy in a text that is one, its statements in a list."""
    found: Doc = json.loads(text)
    return {**found, "Statement": list(policy.statements(found))}


def written(found: Doc, statements: Sequence[Doc]) -> str:
    """The text of the policy with those statements in place of its own."""
    return json.dumps({**found, "Statement": statements}, separators=(",", ":"))


def labelled(label: str, accounts: Sequence[str], actions: Sequence[str], resource: str) -> Doc:
    """The statement that allows the accounts the actions on the resource of that ARN."""
    named = [f"arn:aws:iam::{account}:root" for account in accounts]
    return {
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": named[0] if len(named) == 1 else named},
        "Action": actions[0] if len(actions) == 1 else actions,
        "Resource": resource,
    }


def excess(text: str, found: Policy, quotas: Mapping[str, int]) -> str:
    """Of which of the quotas the policy has too much, "" for none: Bytes, Statements, Principals,
    Conditions, and Actions of one statement."""
    each = policy.statements(found)
    elements = [one.get("Principal", one.get("NotPrincipal", {})) for one in each]
    counts = {
        "Bytes": len(text.encode()),
        "Statements": len(each),
        "Principals": sum(_names(element) for element in elements),
        "Conditions": sum(len(keys) for one in each for keys in one.get("Condition", {}).values()),
        "Actions": max(len(actions(one)) for one in each),
    }
    over = [name for name, most in quotas.items() if counts[name] > most]
    if not over:
        return ""
    return f"{counts[over[0]]} {over[0]} were found, maximum allowed is {quotas[over[0]]}."


def actions(statement: policy.Statement) -> Sequence[str]:
    """What the statement lists as Action or NotAction."""
    return _listed(statement.get("Action", statement.get("NotAction")))


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _names(element: Any) -> int:
    """How many a Principal element names."""
    return sum(len(_listed(each)) for each in element.values()) if isinstance(element, dict) else 1
