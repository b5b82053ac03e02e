"""IAM: permissions boundaries, what a role's or a user's policies can allow at most.

IAM user guide, "Permissions boundaries for IAM entities". A boundary's text is kept with what it
limits.
"""

from __future__ import annotations

from dataclasses import replace

from sagebrush.errors import AwsError, Doc
from sagebrush.services.iam.holders import ROLE, USER, Holder
from sagebrush.services.iam.rows import managed, missing, protect
from sagebrush.store.rows import Check, Reader, Row
from sagebrush.world import Ctx, Operation


def _put(holder: Holder) -> Operation:
    """The managed policy limits the role or user, in place of one before; NoSuchEntity (404)."""

    def put(ctx: Ctx, request: Doc) -> None:
        row, arn = holder.find(ctx, request), request["PermissionsBoundary"]
        protect(row)

        def change(row: Row, reader: Reader) -> Row:
            return replace(row, plan={**row.plan, "boundary": found(ctx, arn, reader)})

        holder.change(ctx, row, change)

    return put


def _delete(holder: Holder) -> Operation:
    """Nothing limits the role's or user's policies; NoSuchEntity (404)."""

    def delete(ctx: Ctx, request: Doc) -> None:
        row = holder.find(ctx, request)
        protect(row)

        def change(row: Row, _: Reader) -> Row:
            if "boundary" not in row.plan:
                word = holder.word.lower()
                raise missing(f"The {word} with name {row.name} has no permissions boundary.")
            plan = {name: value for name, value in row.plan.items() if name != "boundary"}
            return replace(row, plan=plan)

        holder.change(ctx, row, change)

    return delete


OPERATIONS: dict[str, Operation] = {
    name: operation
    for holder in (ROLE, USER)
    for name, operation in (
        (f"Put{holder.word}PermissionsBoundary", _put(holder)),
        (f"Delete{holder.word}PermissionsBoundary", _delete(holder)),
    )
}


def found(ctx: Ctx, arn: str, rows: Reader) -> Doc:
    """The boundary as it is kept; raises NoSuchEntity (404) for a policy not known here."""
    try:
        return {"arn": arn, "text": managed(ctx, arn, rows)["text"]}
    except AwsError as error:
        raise missing(f"Scope ARN: {arn} does not exist or is not attachable.") from error


def same(ctx: Ctx, boundary: Doc | None) -> Check:
    """Raises NoSuchEntity (404) where the policy has been deleted meanwhile, and
    ConcurrentModification (409) where it has another default version."""

    def check(rows: Reader) -> None:
        if boundary is not None and found(ctx, boundary["arn"], rows) != boundary:
            words = f"The policy {boundary['arn']} was changed by another request: try again."
            raise AwsError("ConcurrentModification", words, 409)

    return check
