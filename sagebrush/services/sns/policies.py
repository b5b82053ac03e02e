"""The policies of topics: what is refused of them, AddPermission and RemovePermission.

Source: Amazon SNS API Reference; Amazon SNS developer guide, "Amazon SNS API permissions: Actions and
resources reference" (quotas, and which actions a policy may be about); words as SNS is seen to answer. What
a policy decides is in `access.queue_policies` and `access.resource_policies`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from sagebrush.access import grammar, policy, queue_policies, resource_policies, statements
from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

QUOTAS = {"Bytes": 30 * 1024, "Statements": 100, "Principals": 200}
ACTIONS = frozenset(
    {
        "addpermission", "deletetopic", "getdataprotectionpolicy", "gettopicattributes",
        "listsubscriptionsbytopic", "listtagsforresource", "publish", "putdataprotectionpolicy",
        "receive", "removepermission", "settopicattributes", "subscribe",
    }
)  # fmt: skip
"""What a topic's policy may be about, in lower case; Receive is of policies that SNS itself once made."""
_OUT_OF_SCOPE = "Policy statement action out of service scope!"
_ACCOUNT = re.compile(r"[0-9]{12}")


def invalid(why: str) -> AwsError:
    """InvalidParameter (400)."""
    return AwsError("InvalidParameterException", f"Invalid parameter: {why}")


def check(text: str) -> None:
    """Returns for a policy that a topic may have; raises InvalidParameter."""
    try:
        document = grammar.parse(text, grammar.RESOURCE)
    except policy.Malformed as error:
        raise invalid(f"Policy Error: {error}") from error
    for action in (each for one in policy.statements(document) for each in statements.actions(one)):
        vendor, _, name = action.lower().rpartition(":")
        if vendor not in ("", "sns") or (name not in ACTIONS and not {"*", "?"} & set(name)):
            raise invalid(_OUT_OF_SCOPE)
    if excess := statements.excess(text, document, QUOTAS):
        raise invalid(f"Policy Error: {excess}")


def pins(ctx: Ctx, doc: Doc) -> Doc:
    """What the plan of a topic knows of the Policy among its attributes, if it is there."""
    if "Policy" not in doc:
        return {}
    return {queue_policies.PINS: queue_policies.pinned(ctx, doc["Policy"])}


def shown(ctx: Ctx, row: Row, arn: Arn) -> str:
    """The topic's policy as it is told: AWS's default until another is set."""
    told = queue_policies.shown(ctx, row)
    if told is not None:
        return told
    default = resource_policies.default_of_topic(arn)
    return statements.written(default, default["Statement"])


def add(row: Row, arn: Arn, request: Doc) -> Row:
    """The topic with a statement of that label, for those accounts and actions. Raises InvalidParameter."""
    accounts = request["AWSAccountId"]
    if lost := [each for each in accounts if not _ACCOUNT.fullmatch(each)]:
        raise invalid(f"A provided account ID is not valid: {lost[0]}")
    if not request["Label"]:
        raise invalid("Label")
    if not all(each == "*" or each.lower() in ACTIONS for each in request["ActionName"]):
        raise invalid(_OUT_OF_SCOPE)
    document = _document(row, arn)
    if any(each.get("Sid") == request["Label"] for each in document["Statement"]):
        raise invalid("Statement already exists")
    actions = [f"SNS:{action}" for action in request["ActionName"]]
    one = statements.labelled(request["Label"], accounts, actions, str(arn))
    made = statements.written(document, [*document["Statement"], one])
    check(made)
    return replace(row, doc={**row.doc, "Policy": made})


def remove(row: Row, arn: Arn, label: str) -> Row:
    """The topic without the statement of that label; nothing is wrong where there is none."""
    document = _document(row, arn)
    left = [each for each in document["Statement"] if each.get("Sid") != label]
    if len(left) == len(document["Statement"]):
        return row
    if not left:
        return replace(row, doc={k: v for k, v in row.doc.items() if k != "Policy"})
    return replace(row, doc={**row.doc, "Policy": statements.written(document, left)})


def _document(row: Row, arn: Arn) -> Doc:
    text = row.doc.get("Policy")
    return statements.document(text) if text else resource_policies.default_of_topic(arn)
