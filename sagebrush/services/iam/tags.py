"""IAM: tags of roles, users, managed policies and instance profiles.

Keys are told apart without case, and keep the case in which they were last given (IAM user guide,
"Tags for AWS Identity and Access Management resources").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sagebrush.access import principals
from sagebrush.errors import AwsError, Doc
from sagebrush.services.iam import instance_profiles
from sagebrush.services.iam.holders import ROLE, USER
from sagebrush.services.iam.rows import MOST_TAGS, missing, own_policy, page, tag_list, tag_map
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx, Operation


@dataclass(frozen=True)
class _Tagged:
    """A kind of what has tags."""

    word: str
    find: Callable[[Ctx, Doc], Row]
    change: Callable[[Ctx, Row, Callable[[Row, Reader], Row]], None]


def _change(ctx: Ctx, row: Row, change: Callable[[Row, Reader], Row]) -> None:
    if ctx.world.rows.update(row.id, lambda row: change(row, ctx.world.rows)) is None:
        raise missing(f"{row.kind} {row.name} cannot be found.")
    principals.forget(ctx.world)


TAGGED = (
    _Tagged("Role", ROLE.find, ROLE.change),
    _Tagged("User", USER.find, USER.change),
    _Tagged("Policy", lambda ctx, r: own_policy(ctx, r["PolicyArn"], ctx.world.rows), _change),
    _Tagged(
        "InstanceProfile",
        lambda ctx, r: instance_profiles.read(ctx, r["InstanceProfileName"], ctx.world.rows),
        _change,
    ),
)


def _changed(
    tagged: _Tagged, ctx: Ctx, request: Doc, new: Callable[[Mapping[str, str]], Mapping[str, str]]
) -> None:
    def work(row: Row, _: Reader) -> Row:
        return replace(row, plan={**row.plan, "tags": new(row.plan.get("tags", {}))})

    tagged.change(ctx, tagged.find(ctx, request), work)


def _tag(tagged: _Tagged) -> Operation:
    """The tags are added, replacing those of the same keys; InvalidInput, LimitExceeded (409)."""

    def tag(ctx: Ctx, request: Doc) -> None:
        given = tag_map(request)
        keys = {key.lower(): key for key in given}

        def new(old: Mapping[str, str]) -> dict[str, str]:
            kept = {keys.get(key.lower(), key): value for key, value in old.items()}
            tags = {**kept, **given}
            if len(tags) > MOST_TAGS:
                words = "The number of tags has reached the maximum limit."
                raise AwsError("LimitExceeded", words, 409)
            return tags

        _changed(tagged, ctx, request, new)

    return tag


def _untag(tagged: _Tagged) -> Operation:
    """No tag has one of the given keys."""

    def untag(ctx: Ctx, request: Doc) -> None:
        gone = {key.lower() for key in request["TagKeys"]}
        _changed(
            tagged, ctx, request,
            lambda old: {k: v for k, v in old.items() if k.lower() not in gone},
        )  # fmt: skip

    return untag


def _list(tagged: _Tagged) -> Operation:
    """The tags."""

    def tags(ctx: Ctx, request: Doc) -> Doc:
        return page("Tags", tag_list(tagged.find(ctx, request).plan.get("tags", {})), request)

    return tags


OPERATIONS: dict[str, Operation] = {
    name: operation
    for tagged in TAGGED
    for name, operation in (
        (f"Tag{tagged.word}", _tag(tagged)),
        (f"Untag{tagged.word}", _untag(tagged)),
        (f"List{tagged.word}Tags", _list(tagged)),
    )
}
