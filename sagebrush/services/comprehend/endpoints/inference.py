"""Requests that name an endpoint: of a custom model, or the one of AWS's for prompt safety."""

from __future__ import annotations

from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.world import Ctx

AWS = "aws"
"""In place of an account in the ARNs of AWS's own models."""
PROMPT_SAFETY = "document-classifier-endpoint/prompt-safety"


def classify_document(ctx: Ctx, request: Doc) -> Doc:
    """The classes of the document, by the classifier of the endpoint.

    Raises InvalidRequestException for AWS's prompt safety, ResourceNotFoundException (404) where
    there is no such endpoint, and ResourceUnavailableException (404) while it is not in service.
    """
    arn = Arn.parse(request["EndpointArn"])
    if arn is not None and (arn.account, arn.resource) == (AWS, PROMPT_SAFETY):
        words = (
            "UNSUPPORTED_OPERATION: Prompt safety classification is not offered here: no data whose"
            " licence lets a model be trained and given away is at hand to learn it from."
        )
        raise AwsError("InvalidRequestException", words)
    _given(request)
    raise _absent(ctx, arn)


def recognised(ctx: Ctx, asked: Doc) -> Doc:
    """What DetectEntities answers with an endpoint: the entities that its recognizer finds. Raises as
    `classify_document`."""
    _given(asked)
    raise _absent(ctx, Arn.parse(asked["EndpointArn"]))


def _given(asked: Doc) -> None:
    """Raises InvalidRequestException where there is not one document: a text or a file."""
    given = [member for member in ("Text", "Bytes") if asked.get(member) is not None]
    if len(given) != 1:
        words = "Text and Bytes exclude each other." if given else "Text or Bytes must be given."
        raise AwsError("InvalidRequestException", words)
    if given == ["Text"] and asked.get("DocumentReaderConfig"):
        words = "DocumentReaderConfig is about the file in Bytes, which is not given."
        raise AwsError("InvalidRequestException", words)


def _absent(ctx: Ctx, arn: Arn | None) -> AwsError:
    """Why the endpoint does not answer; in the words that CloudTrail recorded (developer guide,
    "Logging Amazon Comprehend API calls") where it is not there."""
    kind, _, name = (arn.resource if arn else "").partition("/")
    own = arn is not None and (arn.account, arn.region) == (ctx.account, ctx.region)
    if own and ctx.world.rows.get(ctx.account, ctx.region, kind, name) is not None:
        words = "RESOURCE_UNAVAILABLE: The endpoint is not in service."
        return AwsError("ResourceUnavailableException", words, 404)
    words = "RESOURCE_NOT_FOUND: Could not find specified resource."
    return AwsError("ResourceNotFoundException", words, 404)
