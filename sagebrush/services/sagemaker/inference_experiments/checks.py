"""What an inference experiment's requests may not say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NoReturn

from sagebrush.engine import kinds
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler.instances import instance
from sagebrush.services.sagemaker import roles
from sagebrush.services.sagemaker.hosting import endpoint, endpoint_config, model
from sagebrush.services.sagemaker.inference_experiments.configurations import shadow_of, source_of
from sagebrush.services.sagemaker.inference_experiments.facts import INFERENCE_EXPERIMENT
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx

DEFAULT, LONGEST = dt.timedelta(days=7), dt.timedelta(days=30)
"""How long an experiment runs without an EndTime, and at most ("Create a shadow test")."""


def refuse(message: str) -> NoReturn:
    """Raises ValidationException."""
    raise AwsError("ValidationException", message)


def validate(request: Doc) -> None:
    """Raises ValidationException for a request of CreateInferenceExperiment that is wrong by itself,
    but for its schedule."""
    variants = [each["VariantName"] for each in request["ModelVariants"]]
    source, shadow = source_of(request), shadow_of(request)
    if source == shadow or sorted(variants) != sorted((source, shadow)):
        refuse(
            "ModelVariants must be the variant of SourceModelVariantName and that of"
            f" ShadowModelVariantName, once each: {source}, {shadow} are not {', '.join(variants)}."
        )
    placed(request["ModelVariants"])
    share = request["ShadowModeConfig"]["ShadowModelVariants"][0]["SamplingPercentage"]
    if share < 0:
        refuse(f"SamplingPercentage {share} must be at least 0.")


def placed(variants: Sequence[Doc]) -> None:
    """Raises ValidationException for infrastructure that is not there."""
    for each in variants:
        at = each["InfrastructureConfig"]["RealTimeInferenceConfig"]
        try:
            instance(at["InstanceType"])
        except LookupError as error:
            refuse(f"Model variant {each['VariantName']}: {error}.")
        if at["InstanceCount"] < 1:
            refuse(f"Model variant {each['VariantName']}: InstanceCount must be at least 1.")


def schedule(given: Doc, now: float) -> Doc:
    """The whole Schedule of an experiment that is asked for at `now`; raises ValidationException."""
    start = given.get("StartTime") or moment(now)
    try:
        end = given.get("EndTime") or max(start, moment(now)) + DEFAULT
    except OverflowError:
        refuse("Schedule: StartTime is too late: no EndTime can follow it.")
    if end <= max(start, moment(now)):
        refuse("Schedule: EndTime must be later than StartTime, and in the future.")
    if end - start > LONGEST:
        refuse("Schedule: an inference experiment runs for at most 30 days.")
    return {"StartTime": start, "EndTime": end}


def check(ctx: Ctx, request: Doc) -> None:
    """Raises ValidationException for what the request names: role, endpoint and models."""
    name = request["Name"]
    roles.require(ctx, request["RoleArn"], "RoleArn", INFERENCE_EXPERIMENT.kind, name)
    found = kinds.find(ctx, endpoint.KIND, request["EndpointName"])
    if found.status != "InService":
        refuse(f'The endpoint "{found.name}" is {found.status}, and must be InService.')
    own(ctx, request, found)


def own(ctx: Ctx, experiment: Doc, found: Row) -> Doc:
    """The document of the endpoint's configuration. Raises ValidationException where the experiment
    cannot run on it.

    Source: developer guide, "Create a shadow test": one production variant; no serverless and
    asynchronous inference, no multi-container and multi-model endpoints.
    """
    config = kinds.find(ctx, endpoint_config.KIND, found.doc["EndpointConfigName"]).doc
    source = source_of(experiment)
    if "AsyncInferenceConfig" in config:
        refuse("An endpoint with asynchronous inference cannot have a shadow variant.")
    if [each["VariantName"] for each in config["ProductionVariants"]] != [source]:
        refuse(f'The endpoint "{found.name}" must have {source} as its only production variant.')
    (production,) = config["ProductionVariants"]
    if "ServerlessConfig" in production or "ModelName" not in production:
        refuse(f"Production variant {source} must serve one model on instances.")
    check_models(ctx, experiment)
    return config


def check_models(ctx: Ctx, experiment: Doc) -> None:
    """Raises ValidationException where a variant's model cannot be tested."""
    for each in experiment["ModelVariants"]:
        single(ctx, each["ModelName"])


def single(ctx: Ctx, name: str) -> None:
    """Raises ValidationException where the model is not there, or is of another form than one
    container with one model."""
    containers = model.definitions_of(kinds.find(ctx, model.KIND, name).doc)
    if len(containers) > 1 or containers[0].get("Mode") == "MultiModel":
        refuse(f"The model {name} must have one container with one model for a shadow test.")


def alone(ctx: Ctx, endpoint_name: str, rows: Reader) -> None:
    """Raises ResourceInUse where another experiment of the endpoint has not ended."""
    texts = {"doc.EndpointName": endpoint_name}
    for row in rows.select(INFERENCE_EXPERIMENT.kind, account=ctx.account, texts=texts):
        if row.region == ctx.region and row.status not in INFERENCE_EXPERIMENT.ended:
            raise AwsError(
                "ResourceInUse",
                f'The inference experiment "{row.name}" of the endpoint "{endpoint_name}" is'
                f" {row.status}.",
            )


def stop(experiment: Doc, request: Doc) -> None:
    """Raises ValidationException for a request of StopInferenceExperiment that cannot be done."""
    source, shadow = source_of(experiment), shadow_of(experiment)
    actions = request["ModelVariantActions"]
    if sorted(actions) != sorted((source, shadow)):
        refuse(f"ModelVariantActions must say what becomes of {source} and of {shadow}.")
    if actions[source] == "Promote":
        refuse(f"{source} is the production variant: only a shadow variant is promoted.")
    if (actions[source] == "Remove") != (actions[shadow] == "Promote"):
        refuse(
            f"The endpoint needs one production variant: {source} must be removed where {shadow} is"
            " promoted, and retained otherwise."
        )
    placed(request.get("DesiredModelVariants", ()))
    kept = {name for name, action in actions.items() if action != "Remove"}
    for each in request.get("DesiredModelVariants", ()):
        if each["VariantName"] not in kept:
            refuse(f"DesiredModelVariants: {each['VariantName']} is no variant that stays.")
