"""Models, endpoints, inference components and inference experiments; the runtime."""

from __future__ import annotations

from sagebrush.access.actions.entries import Permission, Table, key
from sagebrush.access.actions.sagemaker.targets import (
    TAGS,
    Models,
    Named,
    creates,
    instance_types,
    lists,
    passed,
    plain,
    under,
    vpc,
)

_VARIANTS = ("ProductionVariants", "ShadowProductionVariants")
CONFIG_KEYS = (
    key("sagemaker:AcceleratorTypes", *under(_VARIANTS, "AcceleratorType"), many=True),
    instance_types(*under(_VARIANTS, "InstanceType", "InstancePools.InstanceType")),
    Models(under(_VARIANTS, "ModelName", "InstancePools.ModelNameOverride")),
    key("sagemaker:VolumeKmsKey", "KmsKeyId"),
    key("sagemaker:ServerlessMaxConcurrency", *under(_VARIANTS, "ServerlessConfig.MaxConcurrency")),
    key("sagemaker:ServerlessMemorySize", *under(_VARIANTS, "ServerlessConfig.MemorySizeInMB")),
    key("sagemaker:NetworkIsolation", "EnableNetworkIsolation"),
    *vpc("VpcConfig"),
)
COMPONENT_KEYS = (Models(("Specification.ModelName", "Specifications.ModelName")),)
MODEL_KEYS = (key("sagemaker:NetworkIsolation", "EnableNetworkIsolation"), *vpc("VpcConfig"))
ENDPOINT = Named("endpoint", "EndpointName")
ENDPOINT_CONFIG = Named("endpoint-config", "EndpointConfigName")
MODEL = Named("model", "ModelName")
INFERENCE_COMPONENT = Named("inference-component", "InferenceComponentName")
INFERENCE_EXPERIMENT = Named("inference-experiment", "Name")

TABLE: Table = {
    **plain(ENDPOINT, "DeleteEndpoint", "DescribeEndpoint", "UpdateEndpointWeightsAndCapacities"),
    **plain(ENDPOINT_CONFIG, "DeleteEndpointConfig", "DescribeEndpointConfig"),
    **plain(
        INFERENCE_COMPONENT,
        "DeleteInferenceComponent",
        "DescribeInferenceComponent",
        "UpdateInferenceComponent",
        "UpdateInferenceComponentRuntimeConfig",
    ),
    **plain(MODEL, "DeleteModel", "DescribeModel"),
    **plain(
        INFERENCE_EXPERIMENT,
        "DeleteInferenceExperiment",
        "DescribeInferenceExperiment",
        "StartInferenceExperiment",
        "StopInferenceExperiment",
        "UpdateInferenceExperiment",
    ),
    **lists(
        "ListEndpointConfigs",
        "ListEndpoints",
        "ListInferenceComponents",
        "ListInferenceExperiments",
        "ListModels",
    ),
    "CreateEndpoint": creates(
        "CreateEndpoint",
        ENDPOINT,
        Permission("sagemaker:CreateEndpoint", ENDPOINT_CONFIG, keys=(TAGS,)),
    ),
    "UpdateEndpoint": (
        Permission("sagemaker:UpdateEndpoint", ENDPOINT),
        Permission("sagemaker:UpdateEndpoint", ENDPOINT_CONFIG),
    ),
    "CreateEndpointConfig": creates(
        "CreateEndpointConfig",
        ENDPOINT_CONFIG,
        passed("ExecutionRoleArn"),
        keys=CONFIG_KEYS,
        parts=(_VARIANTS,),
    ),
    "CreateInferenceComponent": creates(
        "CreateInferenceComponent",
        INFERENCE_COMPONENT,
        Permission("sagemaker:CreateInferenceComponent", ENDPOINT, keys=(TAGS,)),
        keys=COMPONENT_KEYS,
    ),
    "CreateInferenceExperiment": creates(
        "CreateInferenceExperiment", INFERENCE_EXPERIMENT, passed("RoleArn")
    ),
    "CreateModel": creates("CreateModel", MODEL, passed("ExecutionRoleArn"), keys=MODEL_KEYS),
}

RUNTIME: Table = {
    "InvokeEndpoint": (
        Permission(
            "sagemaker:InvokeEndpoint",
            ENDPOINT,
            keys=(key("sagemaker:TargetModel", "TargetModel"),),
        ),
        Permission(
            "sagemaker:InvokeEndpoint",
            INFERENCE_COMPONENT,
            keys=(key("sagemaker:TargetModel", "TargetModel"),),
            optional=True,
        ),
    ),
    "InvokeEndpointAsync": (Permission("sagemaker:InvokeEndpointAsync", ENDPOINT),),
    "InvokeEndpointWithResponseStream": (
        Permission("sagemaker:InvokeEndpointWithResponseStream", ENDPOINT),
        Permission(
            "sagemaker:InvokeEndpointWithResponseStream", INFERENCE_COMPONENT, optional=True
        ),
    ),
}
