"""IAM: inline policies of roles, users and groups (Put…Policy and the like)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from sagebrush.errors import AwsError, Doc
from sagebrush.services.iam.holders import HOLDERS, Holder
from sagebrush.services.iam.rows import missing, page, parsed, protect
from sagebrush.store.rows import Reader
from sagebrush.world import Ctx, Operation


def _absent(holder: Holder, name: str) -> AwsError:
    return missing(f"The {holder.word.lower()} policy with name {name} cannot be found.")


def _put(holder: Holder) -> Operation:
    """The inline policy is there; MalformedPolicyDocument, LimitExceeded (409), UnmodifiableEntity."""

    def put(ctx: Ctx, request: Doc) -> None:
        name, text = request["PolicyName"], request["PolicyDocument"]
        parsed(text)
        row = holder.find(ctx, request)
        protect(row)

        def change(old: Mapping[str, str], _: Reader) -> dict[str, str]:
            new = {**old, name: text}
            if sum(len("".join(value.split())) for value in new.values()) > holder.largest:
                raise AwsError(
                    "LimitExceeded",
                    f"Maximum policy size of {holder.largest} bytes exceeded for"
                    f" {holder.word.lower()} {row.name}",
                    409,
                )
            return new

        holder.change_part(ctx, row, "inline", change)

    return put


def _get(holder: Holder) -> Operation:
    """The inline policy; NoSuchEntity (404)."""

    def get(ctx: Ctx, request: Doc) -> Doc:
        row, name = holder.find(ctx, request), request["PolicyName"]
        text = row.plan.get("inline", {}).get(name)
        if text is None:
            raise _absent(holder, name)
        return {
            holder.member: row.name,
            "PolicyName": name,
            "PolicyDocument": quote(text, safe=""),
        }

    return get


def _list(holder: Holder) -> Operation:
    """The names of the inline policies."""

    def names(ctx: Ctx, request: Doc) -> Doc:
        return page(
            "PolicyNames", sorted(holder.find(ctx, request).plan.get("inline", {})), request
        )

    return names


def _delete(holder: Holder) -> Operation:
    """The inline policy is deleted; NoSuchEntity (404), UnmodifiableEntity."""

    def delete(ctx: Ctx, request: Doc) -> None:
        row, name = holder.find(ctx, request), request["PolicyName"]
        protect(row)

        def without(old: Mapping[str, str], _: Reader) -> dict[str, str]:
            if name not in old:
                raise _absent(holder, name)
            return {k: v for k, v in old.items() if k != name}

        holder.change_part(ctx, row, "inline", without)

    return delete


OPERATIONS: dict[str, Operation] = {
    name: operation
    for holder in HOLDERS
    for name, operation in (
        (f"Put{holder.word}Policy", _put(holder)),
        (f"Get{holder.word}Policy", _get(holder)),
        (f"List{holder.word}Policies", _list(holder)),
        (f"Delete{holder.word}Policy", _delete(holder)),
    )
}
