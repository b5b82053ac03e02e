"""Notebook instances and code repositories."""

from __future__ import annotations

from sagebrush.access.actions.entries import Permission, Table, key
from sagebrush.access.actions.sagemaker.targets import (
    Named,
    creates,
    instance_types,
    lists,
    passed,
    plain,
)

_NOTEBOOK_UPDATE_KEYS = (
    key("sagemaker:AcceleratorTypes", "AcceleratorTypes", many=True),
    instance_types("InstanceType"),
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
NOTEBOOK = Named("notebook-instance", "NotebookInstanceName")
LIFECYCLE_CONFIG = Named(
    "notebook-instance-lifecycle-config", "NotebookInstanceLifecycleConfigName"
)
CODE_REPOSITORY = Named("code-repository", "CodeRepositoryName")

TABLE: Table = {
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
    **lists(
        "ListCodeRepositories", "ListNotebookInstanceLifecycleConfigs", "ListNotebookInstances"
    ),
    "CreateCodeRepository": creates("CreateCodeRepository", CODE_REPOSITORY),
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
}
