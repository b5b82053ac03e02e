"""DescribeHubContent and ListHubContents, for AWS's public hub.

SDK 3's `ModelTrainer.from_jumpstart_config` reads a model there; version 2 reads JumpStart's bucket.
"""

from __future__ import annotations

import json

from sagebrush.engine import kinds
from sagebrush.errors import AwsError, Doc
from sagebrush.samples.jumpstart import catalogue, objects, specs
from sagebrush.samples.jumpstart.catalogue import Model, Version
from sagebrush.world import Ctx

HUB, MODEL = "SageMakerPublicHub", "Model"
SCHEMA = "2.3.0"
"""The version of the document's form."""
MADE = 1_600_000_000
"""Stands for when AWS published a model, which is not known here."""


def describe_hub_content(ctx: Ctx, request: Doc) -> Doc:
    """The model's page, as of the version or of the newest. Raises ResourceNotFound."""
    _check_hub(request)
    name, asked = request["HubContentName"], request.get("HubContentVersion")
    model = next((each for each in objects.models() if each.id == name), None)
    if model is None or request["HubContentType"] != MODEL:
        raise AwsError(
            "ResourceNotFound",
            f"Hub content {request['HubContentType']}/{name} does not exist in {HUB}. Of Amazon"
            " SageMaker JumpStart's models Sagebrush has those for text classification:"
            f" {', '.join(each.id for each in objects.models()[:3])}, ... (docs/text-classification.md)",
        )
    version = _version(model, asked)
    return {
        **_summary(ctx, model, version),
        "HubName": HUB,
        "HubArn": f"arn:aws:sagemaker:{ctx.region}:aws:hub/{HUB}",
        "HubContentDocument": json.dumps(specs.hub_document(model, version, ctx.region)),
    }


def list_hub_contents(ctx: Ctx, request: Doc) -> Doc:
    """All models of the public hub that are here, by name. Raises ResourceNotFound, and
    ValidationException for a NextToken that is none."""
    _check_hub(request)
    part = request.get("NameContains", "").lower()
    listed = objects.models() if request["HubContentType"] == MODEL else []
    found = sorted(
        (each for each in listed if part in each.id.lower()),
        key=lambda model: model.id,
        reverse=request.get("SortOrder") == "Descending",
    )
    if not _made_within(request):
        found = []
    shown, token = kinds.paginate(found, request.get("NextToken"), request.get("MaxResults", 100))
    summaries = [_summary(ctx, each, each.versions[-1]) for each in shown]
    return {"HubContentSummaries": summaries, **({"NextToken": token} if token else {})}


def _check_hub(request: Doc) -> None:
    """Raises ResourceNotFound for another hub than the public one."""
    hub = request["HubName"].rpartition("/")[2]
    if hub != HUB:
        raise AwsError(
            "ResourceNotFound",
            f"Hub {hub} does not exist: Sagebrush has no private hubs, only {HUB}",
        )


def _made_within(request: Doc) -> bool:
    """Whether the models, all made at one time, are of the times asked for."""
    made, ever = kinds.moment(MADE), kinds.moment(0)
    before = request.get("CreationTimeBefore")
    return request.get("CreationTimeAfter", ever) < made and (before is None or made < before)


def _version(model: Model, asked: str | None) -> Version:
    """That version, or the newest. Raises ResourceNotFound."""
    if asked is None:
        return model.versions[-1]
    for version in model.versions:
        if version.number == asked:
            return version
    known = ", ".join(version.number for version in model.versions)
    raise AwsError("ResourceNotFound", f"{model.id} has no version {asked}; here are {known}")


def _summary(ctx: Ctx, model: Model, version: Version) -> Doc:
    path = f"{HUB}/{MODEL}/{model.id}/{version.number}"
    return {
        "HubContentName": model.id,
        "HubContentArn": f"arn:aws:sagemaker:{ctx.region}:aws:hub-content/{path}",
        "HubContentVersion": version.number,
        "HubContentType": MODEL,
        "DocumentSchemaVersion": SCHEMA,
        "HubContentDisplayName": model.id.partition(f"-{catalogue.TASK}-")[2],
        "HubContentDescription": "Text classification by fine-tuning, run by Sagebrush.",
        "HubContentSearchKeywords": ["Text Classification", model.framework],
        "HubContentStatus": "Available",
        "SupportStatus": "Supported",
        "CreationTime": kinds.moment(MADE),
    }
