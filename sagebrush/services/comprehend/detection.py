"""The operations that read one document, and toxicity's, which read a list of segments.

Source: Amazon Comprehend API reference. They answer what the models say (`analysis`); the checks
before that are `limits` and `languages`.
"""

from __future__ import annotations

from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import analysis, languages, limits
from sagebrush.services.comprehend.endpoints import inference
from sagebrush.world import Ctx


async def detect_dominant_language(ctx: Ctx, request: Doc) -> Doc:
    """The languages of the text, the likeliest first."""
    task = "DetectDominantLanguage"
    limits.check_text(request["Text"], limits.MOST[task])
    return (await analysis.analyse(ctx, task, "", [request["Text"]]))[0]


async def detect_entities(ctx: Ctx, request: Doc) -> Doc:
    """The entities of the text, by the models here or by a custom recognizer's endpoint."""
    if request.get("EndpointArn"):
        return await inference.recognised(ctx, request)
    if request.get("Bytes") is not None or request.get("DocumentReaderConfig"):
        words = "Bytes and DocumentReaderConfig need the EndpointArn of a custom entity recognizer."
        raise AwsError("InvalidRequestException", words)
    for member in ("Text", "LanguageCode"):  # which the model leaves open
        if request.get(member) is None:
            raise _null(member)
    return await _detected(ctx, "DetectEntities", request)


async def detect_key_phrases(ctx: Ctx, request: Doc) -> Doc:
    """The noun phrases of the text."""
    return await _detected(ctx, "DetectKeyPhrases", request)


async def detect_sentiment(ctx: Ctx, request: Doc) -> Doc:
    """The prevailing sentiment of the text, and the score of each."""
    return await _detected(ctx, "DetectSentiment", request)


async def detect_targeted_sentiment(ctx: Ctx, request: Doc) -> Doc:
    """The entities of the text, each with its mentions and the sentiment towards them."""
    return await _detected(ctx, "DetectTargetedSentiment", request)


async def detect_syntax(ctx: Ctx, request: Doc) -> Doc:
    """The tokens of the text with their parts of speech."""
    return await _detected(ctx, "DetectSyntax", request)


async def detect_pii_entities(ctx: Ctx, request: Doc) -> Doc:
    """The personal data of the text: types and offsets."""
    return await _detected(ctx, "DetectPiiEntities", request)


async def contains_pii_entities(ctx: Ctx, request: Doc) -> Doc:
    """The types of personal data that are in the text, each with the score of its surest entity."""
    task = "ContainsPiiEntities"
    limits.check_text(request["Text"], limits.MOST[task])
    languages.check(task, request["LanguageCode"])
    found = await _detected(ctx, "DetectPiiEntities", request)
    surest: dict[str, float] = {}
    for entity in found["Entities"]:
        surest[entity["Type"]] = max(entity["Score"], surest.get(entity["Type"], 0.0))
    return {"Labels": [{"Name": name, "Score": score} for name, score in surest.items()]}


async def detect_toxic_content(ctx: Ctx, request: Doc) -> Doc:
    """The toxicity of each segment, in their order."""
    task = "DetectToxicContent"
    texts = [segment["Text"] for segment in request["TextSegments"]]
    limits.check_segments(texts)
    languages.check(task, request["LanguageCode"])
    return {"ResultList": await analysis.analyse(ctx, task, request["LanguageCode"], texts)}


async def _detected(ctx: Ctx, task: str, request: Doc) -> Doc:
    """What the models say of the request's text."""
    text, code = request["Text"], request["LanguageCode"]
    limits.check_text(text, limits.MOST[task])
    languages.check(task, code)
    return (await analysis.analyse(ctx, task, code, [text]))[0]


def _null(member: str) -> AwsError:
    """The refusal of a request without the member, as `check` words it (recorded of languageCode:
    aws-sdk-java, issue 1684)."""
    path = member[0].lower() + member[1:]
    return AwsError(
        "ValidationException",
        f"1 validation error detected: Value null at '{path}' failed to satisfy constraint: Member"
        " must not be null",
    )
