"""Texts to Comprehend's models and their answers back, over `fleet`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from sagebrush.errors import AwsError, Doc
from sagebrush.nlp import models
from sagebrush.services.comprehend import fleet
from sagebrush.world import Ctx

JSON = "application/json"
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
    here = fleet.ctx(ctx.world)
    try:
        return await ask(here, fleet.NAME, body)
    except AwsError as error:
        if not absent(error):
            raise told(error) from None  # whose words may be those of a text, and go to a log
    await fleet.ready(ctx.world)
    try:
        return await ask(here, fleet.NAME, body)
    except AwsError as error:
        raise told(error) from None


def _require(ctx: Ctx, task: str) -> None:
    """Raises NotImplemented where the folder of models lacks one that the task needs."""
    folder = ctx.world.settings.models_folder
    if missing := models.lacking(folder, task):
        raise AwsError(
            "NotImplemented",
            f"This installation has no model for {task}: {', '.join(missing)} is not in the folder of"
            " models. `./run models train` makes them of the data sets.",
        )


async def ask(here: Ctx, endpoint: str, body: bytes, content: str = JSON) -> list[Doc]:
    """The answers of an endpoint of Comprehend's account, whose context is `here`. Raises AwsError as
    SageMaker's runtime does."""
    request = {"EndpointName": endpoint, "ContentType": content, "Body": body}
    began = here.world.begin(here, "sagemaker-runtime", "InvokeEndpoint", request)
    answer = await asyncio.wrap_future(began)
    return json.loads(answer["Body"])["Results"]


def absent(error: AwsError) -> bool:
    """Whether the runtime refuses since the endpoint is not there."""
    return error.code == "ValidationError" and MISSING in error.message


def told(error: AwsError) -> AwsError:
    """The error of SageMaker's runtime as Comprehend's callers get it, with nothing of a text."""
    if error.code == "ThrottlingException":
        return AwsError("TooManyRequestsException", "The number of requests exceeds the limit.")
    if error.code == "ServiceUnavailable":
        words = f"Comprehend's models do not answer now: {error.message}"
        return AwsError("InternalServerException", words, 500)
    return Failed("InternalServerException", "Comprehend's models failed on this request.", 500)
