"""Requests that name an endpoint: of a custom model, or the one of AWS's for prompt safety.

Source: Amazon Comprehend API reference, ClassifyDocument, DetectEntities and DocumentReaderConfig; developer
guide, "Inputs for real-time custom analysis". What reads a file is the model's own process.
"""

from __future__ import annotations

import json

from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import (
    analysis,
    arns,
    fleet,
    limits,
    readers,
    requests,
)
from sagebrush.services.comprehend.endpoints import metrics
from sagebrush.services.comprehend.endpoints.plan import plan_of
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

AWS = "aws"
"""In place of an account in the ARNs of AWS's own models."""
PROMPT_SAFETY = "document-classifier-endpoint/prompt-safety"
FILE = "application/octet-stream"
LARGEST = 4 << 20
"""Bytes of a file: what SageMaker's serverless endpoints take. AWS takes 10 MB of PDF and Word."""
SERVING = ("IN_SERVICE", "UPDATING")


async def classify_document(ctx: Ctx, request: Doc) -> Doc:
    """The classes or labels of the document, by the classifier of the endpoint.

    Raises InvalidRequestException for AWS's prompt safety and for files that cannot be read,
    ResourceNotFoundException (404) where there is no such endpoint, ResourceUnavailableException (404)
    while it is not in service, and TextSizeLimitExceededException.
    """
    arn = Arn.parse(request["EndpointArn"])
    if arn is not None and (arn.account, arn.resource) == (AWS, PROMPT_SAFETY):
        words = (
            "UNSUPPORTED_OPERATION: Prompt safety classification is not offered here: no data whose"
            " licence lets a model be trained and given away is at hand to learn it from."
        )
        raise AwsError("InvalidRequestException", words)
    return await _answered(ctx, request, "ClassifyDocument")


async def recognised(ctx: Ctx, asked: Doc) -> Doc:
    """What DetectEntities answers with an endpoint: the entities that its recognizer finds. Raises as
    `classify_document`."""
    return await _answered(ctx, asked, "DetectEntities")


async def _answered(ctx: Ctx, request: Doc, task: str) -> Doc:
    """The answer of the endpoint's model to the request's one document."""
    _given(request)
    row = _serving(ctx, request["EndpointArn"])
    if "Text" in request:
        text = request["Text"]
        limits.check_text(text, limits.DOCUMENT)
        body = json.dumps({"Task": task, "LanguageCode": "", "Texts": [text]}).encode()
        try:
            answer = await _asked(ctx, row, body, analysis.JSON)
        except AwsError as error:
            metrics.refused(ctx.world, row, len(text), error.code)
            raise
        metrics.answered(ctx.world, row, len(text))
        return answer
    answer = await _asked(ctx, row, _file(request["Bytes"]), FILE)
    if refusal := answer.get("Unreadable"):
        raise _unreadable(refusal["Reason"], refusal["Message"])
    pages = answer["DocumentMetadata"]["ExtractedCharacters"]
    metrics.answered(ctx.world, row, sum(page["Count"] for page in pages))
    return answer


async def _asked(ctx: Ctx, row: Row, body: bytes, content: str) -> Doc:
    """The one answer. Raises AwsError as Comprehend does."""
    here = fleet.ctx(ctx.world, row.region)
    try:
        (answer,) = await analysis.ask(here, plan_of(row)["child"], body, content)
    except AwsError as error:
        if analysis.absent(error):
            raise requests.unavailable("The endpoint is not in service.") from None
        raise analysis.told(error) from None  # whose words may be those of a text
    return answer


def _given(asked: Doc) -> None:
    """Raises InvalidRequestException where there is not one document, a text or a file, and where it is to
    be read in a way that is not offered."""
    given = [member for member in ("Text", "Bytes") if asked.get(member) is not None]
    if len(given) != 1:
        requests.refuse(
            "Text and Bytes exclude each other." if given else "Text or Bytes must be given."
        )
    if given == ["Text"] and asked.get("DocumentReaderConfig"):
        requests.refuse("DocumentReaderConfig is about the file in Bytes, which is not given.")
    readers.check(asked.get("DocumentReaderConfig"))
    readers.require_offered(asked.get("DocumentReaderConfig"))


def _serving(ctx: Ctx, arn: str) -> Row:
    """The row of the account's own endpoint, which is in service."""
    row = arns.require(ctx, arn)
    if row.status not in SERVING:
        raise requests.unavailable("The endpoint is not in service.")
    return row


def _file(body: bytes) -> bytes:
    if len(body) > LARGEST:
        raise _unreadable(
            "DOCUMENT_SIZE_EXCEEDED",
            "Document size is too large. Check the size of your file and resubmit the request."
            f" Here a file may have {LARGEST} bytes.",
        )
    return body


def _unreadable(reason: str, words: str) -> AwsError:
    """The refusal of a file (API reference, InvalidRequestException: Reason and Detail)."""
    detail = {"Reason": reason}
    return AwsError("InvalidRequestException", words, Reason="INVALID_DOCUMENT", Detail=detail)
