"""The documents that SDKs read of a model: the manifest, its spec, and its page in the public hub. Pure.

The members are those that the SageMaker Python SDK's `JumpStartModelSpecs` (versions 2 and 3) and
`HubContentDocument` (version 3) read. What AWS writes into them, beyond what its notebooks show, is not
known: hyperparameters and their ranges are those of the scripts that run here, and the instance types
that models train on by default are CPUs, which every host has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from sagebrush.errors import Doc
from sagebrush.samples.jumpstart import catalogue
from sagebrush.samples.jumpstart.catalogue import BUCKET, Model, Version

TRAIN_ON = INFER_ON = "ml.m5.xlarge"
VOLUME = 30
"""GB of the volumes that the SDK asks for."""
SIZES = (
    *(
        "medium",
        "large",
        "xlarge",
        "2xlarge",
        "4xlarge",
        "8xlarge",
        "9xlarge",
        "10xlarge",
        "12xlarge",
    ),
    *("16xlarge", "18xlarge", "24xlarge", "32xlarge", "48xlarge"),
)
DATASET = "training-datasets/SST2/"
CONTAINER = {
    "sagemaker_submit_directory": "/opt/ml/input/data/code/sourcedir.tar.gz",
    "sagemaker_program": "transfer_learning.py",
    "sagemaker_container_log_level": "20",
}
"""Hyperparameters of the container's own."""
HOSTING = {
    "SAGEMAKER_PROGRAM": "inference.py",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    "SAGEMAKER_CONTAINER_LOG_LEVEL": "20",
    "SAGEMAKER_MODEL_SERVER_TIMEOUT": "3600",
    "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
    "MODEL_CACHE_ROOT": "/opt/ml/model",
    "SAGEMAKER_ENV": "1",
}
"""Variables of an endpoint's container, as AWS's specs have them."""
NOBODY = {
    "model_id": "none",
    "version": "0.0.0",
    "min_version": "9999.0.0",
    "spec_key": "proprietary-models/none/proprietary_specs_0.0.0.json",
}
"""The one entry of the list of models that are sold: `list_jumpstart_models` needs one, and leaves out
what no SDK is new enough for."""
EXAMPLES = {
    "positive": "astonishing, profound and dazzling entertainment",
    "negative": "simply stupid, dull and deeply cynical",
}


def manifest(models: Iterable[Model]) -> list[Doc]:
    """What `models_manifest.json` lists: each version of each model."""
    return [
        {
            "model_id": model.id,
            "version": version.number,
            "min_version": version.sdk,
            "spec_key": model.spec_key(version),
            "search_keywords": ["Text Classification", model.framework],
        }
        for model in models
        for version in model.versions
    ]


def spec(model: Model, version: Version, region: str) -> Doc:
    """The description of a version of the model, as it is in the region's bucket."""
    family = model.family
    return {
        "model_id": model.id,
        "url": _url(model),
        "version": version.number,
        "min_sdk_version": version.sdk,
        "training_supported": True,
        "incremental_training_supported": True,
        "hosting_ecr_specs": family["ecr"],
        "hosting_artifact_key": model.hosting_key,
        "hosting_script_key": catalogue.script_key(model.framework, "inference"),
        "hosting_use_script_uri": True,
        "training_ecr_specs": family["ecr"],
        "training_artifact_key": model.training_key,
        "training_script_key": catalogue.script_key(model.framework, "transfer_learning"),
        "hyperparameters": hyperparameters(model),
        "inference_environment_variables": _variables(),
        "metrics": family["metrics"],
        "default_training_dataset_key": DATASET,
        **{f"{what}_{name}": value for what in ("inference", "training") for name, value in (
            ("vulnerable", False), ("dependencies", []), ("vulnerabilities", []),
            ("volume_size", VOLUME), ("enable_network_isolation", False),
        )},
        "deprecated": False,
        "default_inference_instance_type": INFER_ON,
        "supported_inference_instance_types": list(instance_types()),
        "default_training_instance_type": TRAIN_ON,
        "supported_training_instance_types": list(instance_types()),
        "hosting_instance_type_variants": _variants(region, family["inference_image"]),
        "training_instance_type_variants": _variants(region, family["training_image"]),
        "predictor_specs": _predictor(model),
        "default_payloads": {
            name: {"content_type": "application/x-text", "accept": "application/json;verbose",
                   "body": text}
            for name, text in EXAMPLES.items()
        },
        "model_kwargs": {}, "deploy_kwargs": {}, "estimator_kwargs": {}, "fit_kwargs": {},
        "resource_name_base": model.id,
    }  # fmt: skip


def hub_document(model: Model, version: Version, region: str) -> Doc:
    """The page of the model in AWS's public hub, as DescribeHubContent has it."""
    family, bucket = model.family, f"s3://{BUCKET}{region}"
    training = image_uris(region, family["training_image"])
    return {
        "Url": _url(model),
        "MinSdkVersion": version.sdk,
        "ModelTypes": ["OPEN_WEIGHTS"],
        "Task": "Text Classification",
        "Framework": model.framework,
        "DataType": "text",
        "Capabilities": ["TRAINING", "FINE_TUNING", "INCREMENTAL_TRAINING"],
        "TrainingSupported": True,
        "IncrementalTrainingSupported": True,
        "FineTuningSupported": True,
        "ResourceNameBase": model.id,
        "GatedBucket": False,
        "TrainingEcrUri": training["cpu"],
        "TrainingArtifactUri": f"{bucket}/{model.training_key}",
        "TrainingArtifactS3DataType": "S3Prefix",
        "TrainingArtifactCompressionType": "None",
        "TrainingScriptUri": f"{bucket}/{catalogue.script_key(model.framework, 'transfer_learning')}",
        "TrainingMetrics": family["metrics"],
        "TrainingEnableNetworkIsolation": False,
        "TrainingVolumeSize": VOLUME,
        "TrainingDependencies": [],
        "DefaultTrainingInstanceType": TRAIN_ON,
        "SupportedTrainingInstanceTypes": list(instance_types()),
        "DefaultTrainingDatasetUri": f"{bucket}/{DATASET}",
        "Hyperparameters": [
            {name[0].upper() + name[1:]: value for name, value in each.items()}
            for each in hyperparameters(model)
            if each["scope"] == "algorithm"
        ],
        "TrainingInstanceTypeVariants": _resolved(training),
        **_hosting(model, region),
    }  # fmt: skip


def _hosting(model: Model, region: str) -> Doc:
    """The part of the page that endpoints are made by."""
    bucket = f"s3://{BUCKET}{region}"
    hosting = image_uris(region, model.family["inference_image"])
    return {
        "HostingEcrUri": hosting["cpu"],
        "HostingArtifactUri": f"{bucket}/{model.hosting_key}",
        "HostingArtifactS3DataType": "S3Prefix",
        "HostingArtifactCompressionType": "Gzip",
        "HostingScriptUri": f"{bucket}/{catalogue.script_key(model.framework, 'inference')}",
        "HostingUseScriptUri": True,
        "HostingInstanceTypeVariants": _resolved(hosting),
        "InferenceEnvironmentVariables": [
            {"Name": each["name"], "Type": each["type"], "Default": each["default"],
             "Scope": each["scope"], "RequiredForModelClass": True}
            for each in _variables()
        ],
        "InferenceDependencies": [],
        "InferenceVolumeSize": VOLUME,
        "InferenceEnableNetworkIsolation": False,
        "DefaultInferenceInstanceType": INFER_ON,
        "SupportedInferenceInstanceTypes": list(instance_types()),
        "DynamicContainerDeploymentSupported": False,
        "SageMakerSdkPredictorSpecifications": {
            "DefaultContentType": "application/x-text",
            "SupportedContentTypes": model.family["content_types"],
            "DefaultAcceptType": "application/json;verbose",
            "SupportedAcceptTypes": ["application/json;verbose", "application/json"],
        },
    }  # fmt: skip


def hyperparameters(model: Model) -> list[Doc]:
    """Those of the script, with the model's own defaults, and those of the container."""
    own = model.own.get("defaults", {})
    given = [
        {**each, "default": own.get(each["name"], each["default"])}
        for each in model.family["hyperparameters"]
    ]
    return given + [
        {"name": name, "type": "text", "default": value, "scope": "container"}
        for name, value in CONTAINER.items()
    ]


def image_uris(region: str, image: str | Mapping[str, str]) -> dict[str, str]:
    """`cpu` and `gpu` -> the image's address in the region's registry."""
    registries = catalogue.read("places")["registries"]
    account = registries.get(region, registries[""])
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    named = {"cpu": image, "gpu": image} if isinstance(image, str) else image
    return {kind: f"{account}.dkr.ecr.{region}.{domain}/{name}" for kind, name in named.items()}


@cache
def instance_types() -> tuple[str, ...]:
    """The types of the families that models run on, CPUs first; not every size is in each."""
    families = catalogue.read("places")["families"]
    return tuple(
        f"ml.{family}.{size}"
        for kind in ("cpu", "gpu")
        for family in families[kind]
        for size in SIZES
    )


def _variants(region: str, image: str | Mapping[str, str]) -> Doc:
    families = catalogue.read("places")["families"]
    return {
        "regional_aliases": {
            region: {f"{kind}_ecr_uri_1": uri for kind, uri in image_uris(region, image).items()}
        },
        "variants": {
            family: {"regional_properties": {"image_uri": f"${kind}_ecr_uri_1"}}
            for kind in ("cpu", "gpu")
            for family in families[kind]
        },
    }


def _resolved(uris: Mapping[str, str]) -> Doc:
    families = catalogue.read("places")["families"]
    return {
        "Aliases": None,
        "Variants": {
            family: {"Properties": {"ImageUri": uris[kind]}}
            for kind in ("cpu", "gpu")
            for family in families[kind]
        },
    }


def _variables() -> list[Doc]:
    return [
        {"name": name, "type": "text", "default": value, "scope": "container",
         "required_for_model_class": True}
        for name, value in HOSTING.items()
    ]  # fmt: skip


def _predictor(model: Model) -> Doc:
    return {
        "default_content_type": "application/x-text",
        "supported_content_types": model.family["content_types"],
        "default_accept_type": "application/json;verbose",
        "supported_accept_types": ["application/json;verbose", "application/json"],
    }


def _url(model: Model) -> str:
    hub = str(model.own["hub"])
    return hub if "://" in hub else f"{model.family['url']}{hub}"
