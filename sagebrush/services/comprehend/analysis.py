"""Texts to Comprehend's models and their answers back, over `fleet`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from sagebrush.errors import AwsError, Doc
from sagebrush.nlp import models
from sagebrush.services.comprehend import fleet
from sagebrush.world import Ctx

MISSING = "not found"
"""In the runtime's refusal of an endpoint that is not there."""


class Failed(AwsError):
    """The models failed on what they were asked, which other texts may not make them do."""


async def analyse(ctx: Ctx, task: str, language: str, texts: Sequence[str]) -> list[Doc]:
    """The document of each text that the operation `task` answers.

    Raises TooManyRequestsException (429) where more are asked at once than are answered,
    InternalServerException (500) where the models do not answer, and NotImplemented (400) where they
    are not there. None has anything of a text.
    """
    _require(ctx, task)
    body = json.dumps({"Task": task, "LanguageCode": language, "Texts": list(texts)}).encode()
    try:
        return await _ask(ctx, body)
    except AwsError as error:
        if error.code != "ValidationError" or MISSING not in error.message:
            raise _told(error) from None  # whose words may be those of a text, and go to a log
    await asyncio.get_running_loop().run_in_executor(None, fleet.ready, ctx.world)
    try:
        return await _ask(ctx, body)
    except AwsError as error:
        raise _told(error) from None


def _require(ctx: Ctx, task: str) -> None:
    """Raises NotImplemented where the folder of models lacks one that the task needs."""
    folder = ctx.world.settings.models_folder
    if missing := models.lacking(folder, task):
        raise AwsError(
            "NotImplemented",
            f"This installation has no model for {task}: {', '.join(missing)} is not in the folder of"
            " models. `./run models train` makes them of the data sets.",
        )


async def _ask(ctx: Ctx, body: bytes) -> list[Doc]:
    """The answers. Raises AwsError as SageMaker's runtime does."""
    request = {"EndpointName": fleet.NAME, "ContentType": "application/json", "Body": body}
    here = fleet.ctx(ctx.world)
    began = ctx.world.begin(here, "sagemaker-runtime", "InvokeEndpoint", request)
    answer = await asyncio.wrap_future(began)
    return json.loads(answer["Body"])["Results"]


def _told(error: AwsError) -> AwsError:
    """The error as Comprehend's callers get it."""
    if error.code == "ThrottlingException":
        return AwsError("TooManyRequestsException", "The number of requests exceeds the limit.")
    if error.code == "ServiceUnavailable":
        words = f"Comprehend's models do not answer now: {error.message}"
        return AwsError("InternalServerException", words, 500)
    return Failed("InternalServerException", "Comprehend's models failed on this request.", 500)
