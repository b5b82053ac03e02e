"""The processes of Comprehend's own models: one serverless endpoint, in the account of its own.

Sagebrush's SageMaker runs it: it begins with the first request, has a process for each request at once
as long as each has a CPU, ends when it is idle, and a server that was killed finds it again.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from sagebrush.errors import AwsError, Doc
from sagebrush.settings import COMPREHEND
from sagebrush.workload import launch
from sagebrush.world import Ctx, World

NAME = "comprehend"
"""Of the endpoint, its configuration and its model."""
IMAGE = "comprehend"
MEMORY = 3072
"""MB of a process at most."""
REQUESTS = 200
"""Requests that may be inside at once; more are throttled (SageMaker's most for such an endpoint)."""
PATIENCE = 50.0
"""Seconds that a request waits for the endpoint: clients give up after 60."""
SOONEST, LATEST = 0.05, 1.0
"""Seconds between two looks at it meanwhile, which become more: many may wait."""
THERE = "Cannot create already existing"
"""How SageMaker's refusal of a name that is taken begins."""


def ctx(world: World, region: str = "") -> Ctx:
    """A context that acts as Comprehend, in its own account."""
    return world.service_ctx(region=region, account=COMPREHEND)


def environment(world: World) -> dict[str, str]:
    """The variables of a program that uses the models."""
    return {"SAGEBRUSH_MODELS": launch.place(world, Path()).models}


async def ready(world: World) -> None:
    """The endpoint answers requests, and is created where it is not there. Whoever waits holds no thread.

    Raises InternalServerException (500) where it does not within PATIENCE, which clients repeat, and where
    it cannot be created.
    """
    loop, until, pause = asyncio.get_running_loop(), time.monotonic() + PATIENCE, SOONEST
    while time.monotonic() < until:
        if await loop.run_in_executor(None, _step, world):
            return
        await asyncio.sleep(pause)
        pause = min(1.5 * pause, LATEST)
    raise AwsError(
        "InternalServerException",
        "The models of Comprehend are being prepared on this machine, which takes a minute when they"
        " are first used: try again.",
        500,
    )


def _step(world: World) -> bool:
    """Whether the endpoint answers; where it is not there, or has failed, it is on its way to be."""
    here = ctx(world)
    try:
        status = _status(here)
        if status == "Failed":  # it is tried again: packages may be there by now
            _deleted(here)
        elif status is None:
            _create(world, here)
    except AwsError as error:
        words = f"The models of Comprehend cannot be started on this machine: {error.code}."
        raise AwsError(
            "InternalServerException", words, 500
        ) from None  # its words are another account's
    return status == "InService"


def _status(here: Ctx) -> str | None:
    """The endpoint's status; None where there is none."""
    try:
        return here.call("sagemaker", "DescribeEndpoint", {"EndpointName": NAME})["EndpointStatus"]
    except AwsError as error:
        if error.status >= 500:
            raise
        return None


def _deleted(here: Ctx) -> None:
    """The endpoint goes; another caller may be faster."""
    try:
        here.call("sagemaker", "DeleteEndpoint", {"EndpointName": NAME})
    except AwsError as error:
        if error.status >= 500:
            raise


def _create(world: World, here: Ctx) -> None:
    """The endpoint is there, with its model and configuration; another caller may be faster."""
    model = {"Image": IMAGE, "Environment": environment(world)}
    serverless = {"MemorySizeInMB": MEMORY, "MaxConcurrency": REQUESTS}
    variant = {"VariantName": NAME, "ModelName": NAME, "ServerlessConfig": serverless}
    _created(here, "CreateModel", {"ModelName": NAME, "PrimaryContainer": model})
    _created(
        here,
        "CreateEndpointConfig",
        {"EndpointConfigName": NAME, "ProductionVariants": [variant]},
    )
    _created(here, "CreateEndpoint", {"EndpointName": NAME, "EndpointConfigName": NAME})


def _created(here: Ctx, operation: str, request: Doc) -> None:
    try:
        here.call("sagemaker", operation, request)
    except AwsError as error:
        if not error.message.startswith(THERE):
            raise
