"""Training, processing, transform and tuning jobs."""

from __future__ import annotations

from collections.abc import Sequence

from sagebrush.access.actions.entries import Key, Permission, Table, key
from sagebrush.access.actions.sagemaker.targets import (
    TAGS,
    ByArn,
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

_JOB = ("",)
_DEFINITIONS = ("TrainingJobDefinition", "TrainingJobDefinitions")
_FILES = "InputDataConfig.DataSource.FileSystemDataSource"
_TUNED = under(_DEFINITIONS, "HyperParameterTuningResourceConfig")


def _training(parents: Sequence[str], *instances: str) -> tuple[Key, ...]:
    """The keys of a training job, whose members are in each of `parents`."""
    files = under(parents, "InputDataConfig.DataSource.FileSystemDataSource")
    return (
        key("sagemaker:FileSystemAccessMode", *under(files, "FileSystemAccessMode")),
        key("sagemaker:FileSystemDirectoryPath", *under(files, "DirectoryPath")),
        key("sagemaker:FileSystemId", *under(files, "FileSystemId")),
        key("sagemaker:FileSystemType", *under(files, "FileSystemType")),
        instance_types(
            *under(
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
            *under(parents, "EnableInterContainerTrafficEncryption"),
        ),
        key(
            "sagemaker:MaxRuntimeInSeconds",
            *under(parents, "StoppingCondition.MaxRuntimeInSeconds"),
        ),
        key("sagemaker:NetworkIsolation", *under(parents, "EnableNetworkIsolation")),
        key("sagemaker:OutputKmsKey", *under(parents, "OutputDataConfig.KmsKeyId")),
        *vpc(*under(parents, "VpcConfig")),
    )


TRAINING_KEYS = (
    *_training(
        _JOB, "DebugRuleConfigurations.InstanceType", "ProfilerRuleConfigurations.InstanceType"
    ),
    key("sagemaker:VolumeKmsKey", "ResourceConfig.VolumeKmsKeyId"),
    key("sagemaker:KeepAlivePeriod", "ResourceConfig.KeepAlivePeriodInSeconds"),
    key("sagemaker:EnableRemoteDebug", "RemoteDebugConfig.EnableRemoteDebug"),
)
TUNING_KEYS = (
    *_training(_DEFINITIONS, *under(_TUNED, "InstanceType", "InstanceConfigs.InstanceType")),
    key(
        "sagemaker:VolumeKmsKey",
        *under(_DEFINITIONS, "ResourceConfig.VolumeKmsKeyId"),
        *under(_TUNED, "VolumeKmsKeyId"),
    ),
)
PROCESSING_KEYS = (
    instance_types(
        *under(
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
    *vpc("NetworkConfig.VpcConfig"),
)
TRANSFORM_KEYS = (
    instance_types("TransformResources.InstanceType"),
    Models(("ModelName",)),
    key("sagemaker:OutputKmsKey", "TransformOutput.KmsKeyId"),
    key("sagemaker:VolumeKmsKey", "TransformResources.VolumeKmsKeyId"),
)
TRAINING_UPDATE_KEYS = (
    instance_types("ProfilerRuleConfigurations.InstanceType"),
    key("sagemaker:KeepAlivePeriod", "ResourceConfig.KeepAlivePeriodInSeconds"),
    key("sagemaker:EnableRemoteDebug", "RemoteDebugConfig.EnableRemoteDebug"),
)

TRAINING_JOB = Named("training-job", "TrainingJobName")
PROCESSING_JOB = Named("processing-job", "ProcessingJobName")
TRANSFORM_JOB = Named("transform-job", "TransformJobName")
TUNING_JOB = Named("hyper-parameter-tuning-job", "HyperParameterTuningJobName")
TRAINING_PLAN = ByArn(("ResourceConfig.TrainingPlanArn",), "training-plan")

TABLE: Table = {
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
    **lists(
        "ListHyperParameterTuningJobs",
        "ListProcessingJobs",
        "ListTrainingJobs",
        "ListTransformJobs",
    ),
    "CreateHyperParameterTuningJob": creates(
        "CreateHyperParameterTuningJob",
        TUNING_JOB,
        passed(*under(_DEFINITIONS, "RoleArn")),
        keys=TUNING_KEYS,
        parts=(_DEFINITIONS, under(_DEFINITIONS, _FILES)),
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
