"""Endpoint configurations: models, their instances, counts and weights."""

from __future__ import annotations

from sagebrush.engine import kinds
from sagebrush.engine.kinds import Kind
from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler.instances import instance
from sagebrush.services.sagemaker import roles
from sagebrush.services.sagemaker.hosting import asynchronous, model, serverless
from sagebrush.services.sagemaker.hosting.components import modelless
from sagebrush.world import Ctx

KIND = Kind(
    name="endpoint-config",
    noun="EndpointConfig",
    missing='Could not find endpoint configuration "{arn}".',
    exists='Cannot create already existing endpoint configuration "{arn}".',
    has_status=False,
    running=None,
)
UNSUPPORTED = {
    "ExplainerConfig": "online explainability (ExplainerConfig)",
    "CrossRegionTrafficConfig": "cross-region traffic (CrossRegionTrafficConfig)",
    "MetricsConfig": "enhanced metrics (MetricsConfig)",
}
UNSUPPORTED_VARIANT = {
    "AcceleratorType": "Elastic Inference (AcceleratorType)",
    "InstancePools": "instance pools (InstancePools)",
    "CapacityReservationConfig": "capacity reservations (CapacityReservationConfig)",
    "CoreDumpConfig": "core dumps (CoreDumpConfig)",
    "AcceleratorPartitionLayouts": "accelerator partitions (AcceleratorPartitionLayouts)",
}


def create_endpoint_config(ctx: Ctx, request: Doc) -> Doc:
    """The configuration exists; every model that it names does. Raises ValidationException."""
    _refuse(request, UNSUPPORTED)
    serverless.check(request)
    asynchronous.check(request)
    modelless.check(request)
    if role := request.get("ExecutionRoleArn"):
        name = request["EndpointConfigName"]
        roles.require(ctx, role, "ExecutionRoleArn", KIND.name, name)
    variants = [_variant(variant) for variant in request["ProductionVariants"]]
    shadows = [_variant(variant) for variant in request.get("ShadowProductionVariants", ())]
    _check_shadows(variants, shadows)
    names = [variant["VariantName"] for variant in (*variants, *shadows)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise AwsError(
            "ValidationException",
            f"Production variant names must be unique: {', '.join(twice)} is there twice.",
        )
    kinds.check_new(ctx, KIND, request)
    for variant in (*variants, *shadows):
        if "ModelName" in variant:
            found = kinds.find(ctx, model.KIND, variant["ModelName"])
            _check_many_models(request, variant, model.hosts_many(found.doc))
            if "ServerlessConfig" in variant:
                serverless.check_model(found.doc, len(model.definitions_of(found.doc)))
    doc: Doc = {"ProductionVariants": variants}
    if shadows:
        doc["ShadowProductionVariants"] = shadows
    row = kinds.create(ctx, KIND, request, doc=doc)
    return {"EndpointConfigArn": row.doc["EndpointConfigArn"]}


def describe_endpoint_config(ctx: Ctx, request: Doc) -> Doc:
    """The configuration as it was created, with AWS's defaults filled in."""
    return kinds.describe(KIND, kinds.find(ctx, KIND, request["EndpointConfigName"]))


def list_endpoint_configs(ctx: Ctx, request: Doc) -> Doc:
    """A page of the configurations."""
    return kinds.list_page(ctx, KIND, request)


def delete_endpoint_config(ctx: Ctx, request: Doc) -> None:
    """The configuration is deleted; endpoints created with it are not affected."""
    kinds.delete(ctx, KIND, request["EndpointConfigName"])


def _check_shadows(variants: list[Doc], shadows: list[Doc]) -> None:
    """Raises ValidationException for more than one production variant beside a shadow variant, or
    more than one shadow variant ("Shadow tests")."""
    if shadows and (len(variants) != 1 or len(shadows) != 1):
        raise AwsError(
            "ValidationException",
            "An endpoint configuration with ShadowProductionVariants must have exactly one"
            " production variant and one shadow variant.",
        )


def _check_many_models(request: Doc, variant: Doc, many: bool) -> None:
    """Raises ValidationException where a multi-model variant is to be what it cannot be: requests
    of asynchronous endpoints name no model."""
    for member, given in (
        ("AsyncInferenceConfig", request.get("AsyncInferenceConfig")),
        ("ServerlessConfig", variant.get("ServerlessConfig")),
    ):
        if many and given:
            raise AwsError(
                "ValidationException",
                f"{member} is not supported for multi-model endpoints: model"
                f" {variant['ModelName']} has Mode MultiModel.",
            )


def _refuse(document: Doc, table: dict[str, str]) -> None:
    for member, words in table.items():
        if document.get(member):
            raise _unsupported(words)


def _unsupported(what: str) -> AwsError:
    return AwsError("ValidationException", f"Sagebrush does not support {what} yet.")


def _variant(variant: Doc) -> Doc:
    """The production variant with defaults, checked; raises ValidationException."""
    name = variant["VariantName"]
    _refuse(variant, UNSUPPORTED_VARIANT)
    if variant.get("RoutingConfig", {}).get("RoutingStrategy") == "PREFIX_AWARE":
        raise _unsupported("prefix-aware routing (RoutingStrategy PREFIX_AWARE)")
    weight = float(variant.get("InitialVariantWeight", 1.0))
    if "ServerlessConfig" in variant:
        if "ModelName" not in variant:
            raise AwsError(
                "ValidationException", f"ModelName is required in production variant {name}."
            )
        return {**variant, "InitialVariantWeight": weight}
    for member in ("InstanceType", "InitialInstanceCount"):
        if member not in variant:
            raise AwsError(
                "ValidationException", f"{member} is required in production variant {name}."
            )
    try:
        instance(variant["InstanceType"])
    except LookupError as error:
        raise AwsError("ValidationException", f"Production variant {name}: {error}.") from error
    return {**variant, "InitialVariantWeight": weight}
