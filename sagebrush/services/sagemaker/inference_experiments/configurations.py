"""The endpoint configurations of an experiment, and what its variants are at. Pure.

Source: developer guide, "Shadow tests"; API reference, CreateInferenceExperiment and
StopInferenceExperiment.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sagebrush.errors import Doc

SHADOW, END, OWN = "shadow", "end", "own"
"""The steps at which an experiment makes a configuration."""
NOT_REQUESTED = ("EndpointConfigArn", "CreationTime", "LastModifiedTime")
"""Members of a configuration's document that CreateEndpointConfig does not take."""


def source_of(experiment: Doc) -> str:
    """The name of the production variant that takes all requests."""
    return experiment["ShadowModeConfig"]["SourceModelVariantName"]


def shadow_of(experiment: Doc) -> str:
    """The name of the shadow variant."""
    return experiment["ShadowModeConfig"]["ShadowModelVariants"][0]["ShadowModelVariantName"]


def weight_of(experiment: Doc) -> float:
    """The weight of the shadow variant beside a production variant of weight 1: the part of the
    requests that are copied to it."""
    return experiment["ShadowModeConfig"]["ShadowModelVariants"][0]["SamplingPercentage"] / 100


def request_of(config: Doc) -> Doc:
    """The request by which a configuration with the document `config` is made."""
    return {name: value for name, value in config.items() if name not in NOT_REQUESTED}


def experimental(experiment: Doc, own: Doc, desired: Sequence[Doc] = ()) -> Doc:
    """The configuration, without its name, that the endpoint has while the experiment runs.

    `own` is the endpoint's own one; of `desired` are the infrastructure's changes.
    """
    config = {**_base(own), **_variants(experiment, own, desired)}
    if storage := experiment.get("DataStorageConfig"):
        capture = {
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": storage["Destination"],
            "KmsKeyId": storage.get("KmsKey"),
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": storage.get("ContentType"),
        }
        config["DataCaptureConfig"] = {k: v for k, v in capture.items() if v is not None}
    if key := experiment.get("KmsKey"):
        config["KmsKeyId"] = key
    return config


def final(
    experiment: Doc, own: Doc, actions: dict[str, str] | None, desired: Sequence[Doc]
) -> tuple[str, Doc]:
    """The configuration that the endpoint has after the experiment: (its step, it without a name).

    Step OWN is the endpoint's own one again, SHADOW the one that it has already.
    """
    if actions is None:
        return OWN, _nameless(own)
    production, shadow = actions[source_of(experiment)], actions[shadow_of(experiment)]
    if shadow == "Retain":
        step = END if desired else SHADOW
        return step, experimental(experiment, own, desired)
    if production == "Retain" and not desired:
        return OWN, _nameless(own)
    both = _variants(experiment, own, desired)
    (kept,) = both["ShadowProductionVariants" if shadow == "Promote" else "ProductionVariants"]
    return END, {**_base(own), "ProductionVariants": [{**kept, "InitialVariantWeight": 1.0}]}


def names(config: Doc) -> list[str]:
    """The names of the configuration's variants."""
    both = (*config["ProductionVariants"], *config.get("ShadowProductionVariants", ()))
    return [variant["VariantName"] for variant in both]


def statuses(
    experiment: Doc, status: str, kept: Collection[str] | None, going: Collection[str]
) -> list[Doc]:
    """The experiment's ModelVariants with the status of each, as Describe answers them.

    `kept` are the endpoint's variants after the experiment, None before its end; `going` those that
    a stop removes.
    """
    shadow = shadow_of(experiment)

    def one(name: str) -> str:
        if kept is not None:
            return "InService" if name in kept else "Deleted"
        if status == "Stopping":
            return "Deleting" if name in going else "Updating"
        if name == shadow and status in ("Creating", "Created", "Starting"):
            return "Creating"
        return "Updating" if status in ("Starting", "Updating") else "InService"

    return [{**v, "Status": one(v["VariantName"])} for v in experiment["ModelVariants"]]


def _nameless(config: Doc) -> Doc:
    return {name: value for name, value in config.items() if name != "EndpointConfigName"}


def _base(own: Doc) -> Doc:
    """The endpoint's own configuration without its name and its variants."""
    parts = ("EndpointConfigName", "ProductionVariants", "ShadowProductionVariants")
    return {name: value for name, value in own.items() if name not in parts}


def _variants(experiment: Doc, own: Doc, desired: Sequence[Doc]) -> Doc:
    """Both variants as the experiment runs them, with the infrastructure of `desired`."""
    wanted = {each["VariantName"]: each for each in (*experiment["ModelVariants"], *desired)}
    (production,) = own["ProductionVariants"]
    shadow = wanted[shadow_of(experiment)]
    return {
        "ProductionVariants": [
            {**production, **_placed(wanted[source_of(experiment)]), "InitialVariantWeight": 1.0}
        ],
        "ShadowProductionVariants": [
            {
                "VariantName": shadow["VariantName"],
                **_placed(shadow),
                "InitialVariantWeight": weight_of(experiment),
            }
        ],
    }


def _placed(variant: Doc) -> Doc:
    """The model of a ModelVariantConfig, and its instances, as members of a production variant."""
    at = variant["InfrastructureConfig"]["RealTimeInferenceConfig"]
    return {
        "ModelName": variant["ModelName"],
        "InstanceType": at["InstanceType"],
        "InitialInstanceCount": at["InstanceCount"],
    }
