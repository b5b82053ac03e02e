"""SageMaker and its runtime (Service Authorization Reference, "Amazon SageMaker")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sagebrush.access import references
from sagebrush.access.actions.entries import (
    Entry,
    Fixed,
    Key,
    Permission,
    RequestTags,
    Resource,
    Table,
    Target,
    Value,
    at,
    given,
    key,
)
from sagebrush.access.actions.iam import RoleArns
from sagebrush.aws.names import Arn
from sagebrush.errors import Doc
from sagebrush.world import Ctx

TAG_KEYS = ("aws:resourcetag/", "sagemaker:resourcetag/")


def resource_tags(ctx: Ctx, kind: str, name: str) -> Mapping[str, str]:
    """The tags of the resource; none where it does not exist."""
    row = ctx.world.rows.get_lower(ctx.account, ctx.region, kind, name)
    return row.plan.get("tags", {}) if row is not None else {}


@dataclass(frozen=True)
class Named:
    """The resource of that kind whose name is at `member`. SageMaker's ARNs are in lower case."""

    kind: str
    member: str

    @property
    def members(self) -> tuple[str, ...]:
        return (self.member,)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        name = params.get(self.member)
        if not isinstance(name, str):
            return ()
        arn = f"arn:aws:sagemaker:{ctx.region}:{ctx.account}:{self.kind}/{name.lower()}"
        return (Target(arn, partial(resource_tags, ctx, self.kind, name), TAG_KEYS),)


@dataclass(frozen=True)
class ByArn:
    """The resources whose ARNs are at these members, of whatever kind where `kind` is empty."""

    members: tuple[str, ...] = ("ResourceArn",)
    kind: str = ""

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        given = [value for member in self.members for value in at(params, member)]
        return [self._target(ctx, references.sagemaker_arn(ctx, value)) for value in given]

    @staticmethod
    def _target(ctx: Ctx, text: str) -> Target:
        arn = Arn.parse(text)
        kind, _, name = (arn.resource if arn else text).partition("/")
        return Target(text, partial(resource_tags, ctx, kind, name), TAG_KEYS)


PUBLIC_HUB, PUBLIC_ACCOUNT = "SageMakerPublicHub", "aws"
"""JumpStart's hub, and what stands for an account in its ARNs."""


@dataclass(frozen=True)
class Hub:
    """The hub, or what it contains, whose name or ARN is at `HubName`."""

    kind: str
    members: tuple[str, ...] = ("HubName",)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        given = params.get("HubName")
        if not isinstance(given, str):
            return ()
        hub = given.rpartition("/")[2]
        account = PUBLIC_ACCOUNT if hub == PUBLIC_HUB else ctx.account
        inside = [str(params.get(name) or "*") for name in self.members[1:]]
        path = "/".join((self.kind, hub, *inside))
        arn = f"arn:aws:sagemaker:{ctx.region}:{account}:{path}"
        return (Target(arn, dict, TAG_KEYS),)


@dataclass(frozen=True)
class Models:
    """`sagemaker:ModelArn` of the models that an endpoint configuration names."""

    members: tuple[str, ...]
    names: tuple[str, ...] = ("sagemaker:ModelArn",)

    def value(self, ctx: Ctx, name: str, params: Doc) -> Value | None:
        if name != self.names[0].lower():
            return None
        found = [value.lower() for member in self.members for value in at(params, member)]
        model = f"arn:aws:sagemaker:{ctx.region}:{ctx.account}:model/"
        return [f"{model}{each}" for each in dict.fromkeys(found)] or None


# Keys ---------------------------------------------------------------------------------------------

TAGS = RequestTags()


def _under(parents: Sequence[str], *members: str) -> tuple[str, ...]:
    """The members in each of the structures; `""` is the request itself."""
    return tuple(f"{each}.{member}" if each else member for each in parents for member in members)


def _instances(*members: str) -> Key:
    return key("sagemaker:InstanceTypes", *members, many=True)


def _vpc(*configs: str) -> tuple[Key, ...]:
    return (
        key("sagemaker:VpcSecurityGroupIds", *_under(configs, "SecurityGroupIds"), many=True),
        key("sagemaker:VpcSubnets", *_under(configs, "Subnets"), many=True),
    )


def _training(parents: Sequence[str], *instances: str) -> tuple[Key, ...]:
    """The keys of a training job, whose members are in each of `parents`."""
    files = _under(parents, "InputDataConfig.DataSource.FileSystemDataSource")
    return (
        key("sagemaker:FileSystemAccessMode", *_under(files, "FileSystemAccessMode")),
        key("sagemaker:FileSystemDirectoryPath", *_under(files, "DirectoryPath")),
        key("sagemaker:FileSystemId", *_under(files, "FileSystemId")),
        key("sagemaker:FileSystemType", *_under(files, "FileSystemType")),
        _instances(
            *_under(
                parents,
                "ResourceConfig.InstanceType",
                "ResourceConfig.InstanceGroups.InstanceType",
                "ResourceConfig.InstancePreferences.InstanceType",
                "ResourceConfig.SelectedInstanceType",
            ),
            *instances,
        ),
        key(
            "sagemaker:InterContainerTrafficEncryption",
            *_under(parents, "EnableInterContainerTrafficEncryption"),
        ),
        key(
            "sagemaker:MaxRuntimeInSeconds",
            *_under(parents, "StoppingCondition.MaxRuntimeInSeconds"),
        ),
        key("sagemaker:NetworkIsolation", *_under(parents, "EnableNetworkIsolation")),
        key("sagemaker:OutputKmsKey", *_under(parents, "OutputDataConfig.KmsKeyId")),
        *_vpc(*_under(parents, "VpcConfig")),
    )


_JOB = ("",)
_DEFINITIONS = ("TrainingJobDefinition", "TrainingJobDefinitions")
_VARIANTS = ("ProductionVariants", "ShadowProductionVariants")
_FILES = "InputDataConfig.DataSource.FileSystemDataSource"
_TUNED = _under(_DEFINITIONS, "HyperParameterTuningResourceConfig")

TRAINING_KEYS = (
    *_training(
        _JOB, "DebugRuleConfigurations.InstanceType", "ProfilerRuleConfigurations.InstanceType"
    ),
    key("sagemaker:VolumeKmsKey", "ResourceConfig.VolumeKmsKeyId"),
    key("sagemaker:KeepAlivePeriod", "ResourceConfig.KeepAlivePeriodInSeconds"),
    key("sagemaker:EnableRemoteDebug", "RemoteDebugConfig.EnableRemoteDebug"),
)
TUNING_KEYS = (
    *_training(_DEFINITIONS, *_under(_TUNED, "InstanceType", "InstanceConfigs.InstanceType")),
    key(
        "sagemaker:VolumeKmsKey",
        *_under(_DEFINITIONS, "ResourceConfig.VolumeKmsKeyId"),
        *_under(_TUNED, "VolumeKmsKeyId"),
    ),
)
PROCESSING_KEYS = (
    _instances(
        *_under(
            ("ProcessingResources.ClusterConfig",),
            "InstanceType",
            "InstancePreferences.InstanceType",
            "SelectedInstanceType",
        )
    ),
    key("sagemaker:MaxRuntimeInSeconds", "StoppingCondition.MaxRuntimeInSeconds"),
    key("sagemaker:NetworkIsolation", "NetworkConfig.EnableNetworkIsolation"),
    key("sagemaker:OutputKmsKey", "ProcessingOutputConfig.KmsKeyId"),
    key("sagemaker:VolumeKmsKey", "ProcessingResources.ClusterConfig.VolumeKmsKeyId"),
    key(
        "sagemaker:InterContainerTrafficEncryption",
        "NetworkConfig.EnableInterContainerTrafficEncryption",
    ),
    *_vpc("NetworkConfig.VpcConfig"),
)
CONFIG_KEYS = (
    key("sagemaker:AcceleratorTypes", *_under(_VARIANTS, "AcceleratorType"), many=True),
    _instances(*_under(_VARIANTS, "InstanceType", "InstancePools.InstanceType")),
    Models(_under(_VARIANTS, "ModelName", "InstancePools.ModelNameOverride")),
    key("sagemaker:VolumeKmsKey", "KmsKeyId"),
    key(
        "sagemaker:ServerlessMaxConcurrency", *_under(_VARIANTS, "ServerlessConfig.MaxConcurrency")
    ),
    key("sagemaker:ServerlessMemorySize", *_under(_VARIANTS, "ServerlessConfig.MemorySizeInMB")),
    key("sagemaker:NetworkIsolation", "EnableNetworkIsolation"),
    *_vpc("VpcConfig"),
)
TRANSFORM_KEYS = (
    _instances("TransformResources.InstanceType"),
    Models(("ModelName",)),
    key("sagemaker:OutputKmsKey", "TransformOutput.KmsKeyId"),
    key("sagemaker:VolumeKmsKey", "TransformResources.VolumeKmsKeyId"),
)
COMPONENT_KEYS = (Models(("Specification.ModelName", "Specifications.ModelName")),)
MODEL_KEYS = (key("sagemaker:NetworkIsolation", "EnableNetworkIsolation"), *_vpc("VpcConfig"))
_NOTEBOOK_UPDATE_KEYS = (
    key("sagemaker:AcceleratorTypes", "AcceleratorTypes", many=True),
    _instances("InstanceType"),
    key(
        "sagemaker:MinimumInstanceMetadataServiceVersion",
        "InstanceMetadataServiceConfiguration.MinimumInstanceMetadataServiceVersion",
    ),
    key("sagemaker:RootAccess", "RootAccess"),
)
NOTEBOOK_KEYS = (
    *_NOTEBOOK_UPDATE_KEYS,
    key("sagemaker:DirectInternetAccess", "DirectInternetAccess"),
    key("sagemaker:VolumeKmsKey", "KmsKeyId"),
    key("sagemaker:VpcSecurityGroupIds", "SecurityGroupIds", many=True),
    key("sagemaker:VpcSubnets", "SubnetId", many=True),
)
TRAINING_UPDATE_KEYS = (
    _instances("ProfilerRuleConfigurations.InstanceType"),
    key("sagemaker:KeepAlivePeriod", "ResourceConfig.KeepAlivePeriodInSeconds"),
    key("sagemaker:EnableRemoteDebug", "RemoteDebugConfig.EnableRemoteDebug"),
)

# The tables ---------------------------------------------------------------------------------------

ENDPOINT = Named("endpoint", "EndpointName")
ENDPOINT_CONFIG = Named("endpoint-config", "EndpointConfigName")
MODEL = Named("model", "ModelName")
TRAINING_JOB = Named("training-job", "TrainingJobName")
PROCESSING_JOB = Named("processing-job", "ProcessingJobName")
TRANSFORM_JOB = Named("transform-job", "TransformJobName")
TUNING_JOB = Named("hyper-parameter-tuning-job", "HyperParameterTuningJobName")
NOTEBOOK = Named("notebook-instance", "NotebookInstanceName")
LIFECYCLE_CONFIG = Named(
    "notebook-instance-lifecycle-config", "NotebookInstanceLifecycleConfigName"
)
CODE_REPOSITORY = Named("code-repository", "CodeRepositoryName")
TRAINING_PLAN = ByArn(("ResourceConfig.TrainingPlanArn",), "training-plan")
INFERENCE_COMPONENT = Named("inference-component", "InferenceComponentName")
INFERENCE_EXPERIMENT = Named("inference-experiment", "Name")
HUB = Hub("hub")
HUB_CONTENT = Hub("hub-content", ("HubName", "HubContentType", "HubContentName"))


def plain(on: Resource, *names: str) -> dict[str, Entry]:
    """Operations that are the action of their name on one resource."""
    return {name: (Permission(f"sagemaker:{name}", on),) for name in names}


def lists(*names: str) -> dict[str, Entry]:
    """Operations that list, which have no resource."""
    return {name: (Permission(f"sagemaker:{name}"),) for name in names}


def passed(*members: str) -> Permission:
    """The roles at these members are handed to SageMaker."""
    service = Fixed("iam:PassedToService", "sagemaker.amazonaws.com")
    return Permission("iam:PassRole", RoleArns(members), keys=(service,), optional=True)


def creates(
    name: str,
    on: Resource,
    *more: Permission,
    keys: tuple[Key, ...] = (),
    parts: tuple[tuple[str, ...], ...] = (),
) -> Entry:
    """A new resource: with `Tags` the caller needs `sagemaker:AddTags` on it too."""
    tagging = (TAGS, Fixed("sagemaker:TaggingAction", name))
    return (
        Permission(f"sagemaker:{name}", on, keys=(*keys, TAGS), parts=parts),
        *more,
        Permission("sagemaker:AddTags", on, keys=tagging, when=given("Tags")),
    )


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
    **plain(TRAINING_JOB, "DeleteTrainingJob", "DescribeTrainingJob", "StopTrainingJob"),
    **plain(PROCESSING_JOB, "DeleteProcessingJob", "DescribeProcessingJob", "StopProcessingJob"),
    **plain(TRANSFORM_JOB, "DescribeTransformJob", "StopTransformJob"),
    **plain(
        TUNING_JOB,
        "DeleteHyperParameterTuningJob",
        "DescribeHyperParameterTuningJob",
        "ListTrainingJobsForHyperParameterTuningJob",
        "StopHyperParameterTuningJob",
    ),
    **plain(
        INFERENCE_EXPERIMENT,
        "DeleteInferenceExperiment",
        "DescribeInferenceExperiment",
        "StartInferenceExperiment",
        "StopInferenceExperiment",
        "UpdateInferenceExperiment",
    ),
    **plain(
        NOTEBOOK,
        "CreatePresignedNotebookInstanceUrl",
        "DeleteNotebookInstance",
        "DescribeNotebookInstance",
        "StartNotebookInstance",
        "StopNotebookInstance",
    ),
    **plain(
        LIFECYCLE_CONFIG,
        "DeleteNotebookInstanceLifecycleConfig",
        "DescribeNotebookInstanceLifecycleConfig",
        "UpdateNotebookInstanceLifecycleConfig",
    ),
    **plain(
        CODE_REPOSITORY,
        "DeleteCodeRepository",
        "DescribeCodeRepository",
        "UpdateCodeRepository",
    ),
    "DescribeHubContent": (
        Permission("sagemaker:DescribeHubContent", HUB),
        Permission("sagemaker:DescribeHubContent", HUB_CONTENT),
    ),
    **plain(HUB, "ListHubContents"),
    **lists(
        "ListCodeRepositories",
        "ListEndpointConfigs",
        "ListEndpoints",
        "ListHyperParameterTuningJobs",
        "ListInferenceComponents",
        "ListInferenceExperiments",
        "ListModels",
        "ListNotebookInstanceLifecycleConfigs",
        "ListNotebookInstances",
        "ListProcessingJobs",
        "ListTrainingJobs",
        "ListTransformJobs",
    ),
    "AddTags": (Permission("sagemaker:AddTags", ByArn(), keys=(TAGS,)),),
    "DeleteTags": (
        Permission(
            "sagemaker:DeleteTags", ByArn(), keys=(key("aws:TagKeys", "TagKeys", many=True),)
        ),
    ),
    "ListTags": (Permission("sagemaker:ListTags", ByArn()),),
    "CreateCodeRepository": creates("CreateCodeRepository", CODE_REPOSITORY),
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
    "CreateHyperParameterTuningJob": creates(
        "CreateHyperParameterTuningJob",
        TUNING_JOB,
        passed(*_under(_DEFINITIONS, "RoleArn")),
        keys=TUNING_KEYS,
        parts=(_DEFINITIONS, _under(_DEFINITIONS, _FILES)),
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
    "CreateNotebookInstance": creates(
        "CreateNotebookInstance", NOTEBOOK, passed("RoleArn"), keys=NOTEBOOK_KEYS
    ),
    "UpdateNotebookInstance": (
        Permission("sagemaker:UpdateNotebookInstance", NOTEBOOK, keys=_NOTEBOOK_UPDATE_KEYS),
        passed("RoleArn"),
    ),
    "CreateNotebookInstanceLifecycleConfig": creates(
        "CreateNotebookInstanceLifecycleConfig", LIFECYCLE_CONFIG
    ),
    "CreateProcessingJob": creates(
        "CreateProcessingJob",
        PROCESSING_JOB,
        passed(
            "RoleArn",
            "ProcessingInputs.DatasetDefinition.RedshiftDatasetDefinition.ClusterRoleArn",
        ),
        keys=PROCESSING_KEYS,
    ),
    "CreateTrainingJob": creates(
        "CreateTrainingJob",
        TRAINING_JOB,
        Permission("sagemaker:CreateTrainingJob", TRAINING_PLAN, keys=(TAGS,), optional=True),
        passed("RoleArn"),
        keys=TRAINING_KEYS,
        parts=((_FILES,),),
    ),
    "CreateTransformJob": creates("CreateTransformJob", TRANSFORM_JOB, keys=TRANSFORM_KEYS),
    "UpdateTrainingJob": (
        Permission("sagemaker:UpdateTrainingJob", TRAINING_JOB, keys=TRAINING_UPDATE_KEYS),
    ),
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
