"""The operations that read up to 25 documents at once.

A document that the models fail on is told of in ErrorList, and the others are answered; so is one in
whose characters there is no language, where that is asked for (developer guide, "Multiple document
synchronous processing"). What is wrong with the request refuses all of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from sagebrush.errors import Doc
from sagebrush.services.comprehend import analysis, languages, limits
from sagebrush.world import Ctx

FAILED: Doc = {
    "ErrorCode": "InternalServerException",
    "ErrorMessage": "Unexpected Server Error. Please try again.",
}
"""Of a document that could not be read, as the guide shows it."""


async def batch_detect_dominant_language(ctx: Ctx, request: Doc) -> Doc:
    """The languages of each document."""
    return await _batch(ctx, "DetectDominantLanguage", request["TextList"], None)


async def batch_detect_entities(ctx: Ctx, request: Doc) -> Doc:
    """The entities of each document."""
    return await _batch(ctx, "DetectEntities", request["TextList"], request["LanguageCode"])


async def batch_detect_key_phrases(ctx: Ctx, request: Doc) -> Doc:
    """The noun phrases of each document."""
    return await _batch(ctx, "DetectKeyPhrases", request["TextList"], request["LanguageCode"])


async def batch_detect_sentiment(ctx: Ctx, request: Doc) -> Doc:
    """The sentiment of each document."""
    return await _batch(ctx, "DetectSentiment", request["TextList"], request["LanguageCode"])


async def batch_detect_targeted_sentiment(ctx: Ctx, request: Doc) -> Doc:
    """The entities of each document with the sentiment towards them."""
    texts, code = request["TextList"], request["LanguageCode"]
    return await _batch(ctx, "DetectTargetedSentiment", texts, code)


async def batch_detect_syntax(ctx: Ctx, request: Doc) -> Doc:
    """The tokens of each document with their parts of speech."""
    return await _batch(ctx, "DetectSyntax", request["TextList"], request["LanguageCode"])


async def _batch(ctx: Ctx, task: str, texts: Sequence[str], code: str | None) -> Doc:
    """What the models say of each text, in the lists of a batch's answer."""
    limits.check_batch(texts)
    if code is not None:
        languages.check(task, code)
    results, errors = list[Doc](), list[Doc]()
    for index, found in enumerate(await _read(ctx, task, code or "", texts)):
        if found is None or found.get("Languages") == []:
            errors.append({"Index": index, **FAILED})
        else:
            results.append({"Index": index, **found})
    return {"ResultList": results, "ErrorList": errors}


async def _read(ctx: Ctx, task: str, code: str, texts: Sequence[str]) -> list[Doc | None]:
    """The document of each text; None of one on which the models fail.

    They are asked for all together first, and one by one where that fails: one document must not
    take the others with it.
    """
    try:
        return [*await analysis.analyse(ctx, task, code, texts)]
    except analysis.Failed:
        if len(texts) == 1:
            return [None]
    return [(await _read(ctx, task, code, [text]))[0] for text in texts]
