"""AddPermission and RemovePermission: statements of a queue's Policy by labels.

Source: Amazon SQS API Reference. What a policy decides is in `access.queue_policies`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from sagebrush.access import queue_policies, statements
from sagebrush.aws import models
from sagebrush.errors import AwsError, Doc
from sagebrush.services.sqs import attributes, ordering, queues
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

_LABEL = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ACCOUNT = re.compile(r"\d{12}")


def add_permission(ctx: Ctx, request: Doc) -> None:
    """The queue's Policy has a statement of that label, for those accounts and actions.

    Raises InvalidParameterValue, OverLimit (403).
    """
    label, actions = request["Label"], request["Actions"]
    accounts = request["AWSAccountIds"]
    if not _LABEL.fullmatch(label):
        raise ordering.invalid(
            f"Value {label} for parameter Label is invalid. Reason: Can only include alphanumeric"
            " characters, hyphens, or underscores. 1 to 80 in length."
        )
    for action in actions:
        owners = f"sqs:{action}" in queue_policies.OF_OWNERS
        if action != "*" and (owners or models.operation("sqs", action) is None):
            raise ordering.invalid(
                f"Value SQS:{action} for parameter ActionName is invalid. Reason: Only the queue"
                " owner is allowed to invoke this action."
            )
    if lost := next((each for each in accounts if not _ACCOUNT.fullmatch(each)), None):
        raise ordering.invalid(
            f"Value {[lost]} for parameter PrincipalId is invalid. Reason: Unable to verify."
        )
    most = attributes.POLICY_QUOTAS["Actions"]
    if len(actions) > most:
        words = f"{len(actions)} Actions were found, maximum allowed is {most}."
        raise AwsError("OverLimit", words, 403)

    def change(row: Row) -> Row:
        document = _document(row)
        if any(each.get("Sid") == label for each in document["Statement"]):
            raise ordering.invalid(
                f"Value {label} for parameter Label is invalid. Reason: Already exists."
            )
        return _with(ctx, row, document, [*document["Statement"], _statement(row, request)])

    queues.changed(ctx, request["QueueUrl"], change)


def remove_permission(ctx: Ctx, request: Doc) -> None:
    """The queue's Policy has no statement of that label. Raises InvalidParameterValue where it had
    none."""
    label = request["Label"]

    def change(row: Row) -> Row:
        document = _document(row)
        left = [each for each in document["Statement"] if each.get("Sid") != label]
        if len(left) == len(document["Statement"]):
            raise ordering.invalid(
                f"Value {label} for parameter Label is invalid. Reason: can't find label."
            )
        return _with(ctx, row, document, left)

    queues.changed(ctx, request["QueueUrl"], change)


def _document(row: Row) -> Doc:
    text = row.doc.get("Policy")
    if text:
        return statements.document(text)
    return {
        "Version": "2008-10-17",
        "Id": f"{attributes.arn(row)}/SQSDefaultPolicy",
        "Statement": [],
    }


def _statement(row: Row, request: Doc) -> Doc:
    actions = [f"SQS:{action}" for action in request["Actions"]]
    accounts = request["AWSAccountIds"]
    return statements.labelled(request["Label"], accounts, actions, attributes.arn(row))


def _with(ctx: Ctx, row: Row, document: Doc, held: list[Doc]) -> Row:
    """The queue with those statements; those that it had still mean whom they meant. Raises OverLimit."""
    doc = {name: value for name, value in row.doc.items() if name != "Policy"}
    if held:
        doc["Policy"] = text = statements.written(document, held)
        made = {**document, "Statement": held}
        if excess := statements.excess(text, made, attributes.POLICY_QUOTAS):
            raise AwsError("OverLimit", excess, 403)
    pins = {
        **queue_policies.pinned(ctx, doc.get("Policy")),
        **row.plan.get(queue_policies.PINS, {}),
    }
    return replace(row, doc=doc, plan={**row.plan, queue_policies.PINS: pins})
