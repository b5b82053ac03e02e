"""Tags of all of Comprehend's resources: TagResource, UntagResource, ListTagsForResource.

Source: Amazon Comprehend API reference.
"""

from __future__ import annotations

from collections.abc import Callable

from sagebrush.engine import tags
from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import arns
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

TOO_MANY = (
    "The request contains more tags than can be associated with a resource (50 tags per resource)."
)


def of_request(request: Doc) -> dict[str, str]:
    """The request's Tags as a mapping.

    Raises TooManyTagsException (400) for more than 50, InvalidRequestException (400) for a key twice or
    one that begins with `aws:`.
    """
    given = request.get("Tags") or ()
    found = {tag["Key"]: tag.get("Value", "") for tag in given}
    if len(given) > tags.MOST:
        raise AwsError("TooManyTagsException", TOO_MANY)
    if len(found) < len(given):
        raise AwsError("InvalidRequestException", "Tag keys must be unique: a key is there twice.")
    if any(key.lower().startswith("aws:") for key in found):
        raise AwsError("InvalidRequestException", "Tag keys must not begin with aws:")
    return found


def tag_resource(ctx: Ctx, request: Doc) -> Doc:
    """The tags are added, in place of those of the same keys. Raises ResourceNotFoundException,
    InvalidRequestException and TooManyTagsException."""
    change = tags.added(of_request(request), AwsError("TooManyTagsException", TOO_MANY))
    _changed(ctx, request["ResourceArn"], change)
    return {}


def untag_resource(ctx: Ctx, request: Doc) -> Doc:
    """The tags of those keys are gone. Raises ResourceNotFoundException, and TooManyTagKeysException
    (400) for more than 50 keys."""
    if len(request["TagKeys"]) > tags.MOST:
        words = "The request contains more tag keys than can be associated with a resource (50 tag keys per resource)."
        raise AwsError("TooManyTagKeysException", words)
    _changed(ctx, request["ResourceArn"], tags.removed(request["TagKeys"]))
    return {}


def list_tags_for_resource(ctx: Ctx, request: Doc) -> Doc:
    """The resource's tags. Raises ResourceNotFoundException."""
    found = tags.listed(arns.require(ctx, request["ResourceArn"]))
    return {"ResourceArn": request["ResourceArn"], **found}


def _changed(ctx: Ctx, arn: str, change: Callable[[Row], Row]) -> None:
    if ctx.world.rows.update(arns.require(ctx, arn).id, change) is None:
        raise arns.missing()  # deleted meanwhile
