"""Which IAM action an operation is, and which resource it is about.

Service Authorization Reference, the pages of each service ("Actions, resources and condition keys").
"""

from __future__ import annotations

from sagebrush.errors import Doc
from sagebrush.world import Ctx

PREFIX = {
    "sagemaker-runtime": "sagemaker",
    "sagemaker-metrics": "sagemaker",
    "stepfunctions": "states",
}
"""Services whose actions carry another name than botocore's."""

S3_ACTIONS = {
    "ListBuckets": "ListAllMyBuckets",
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListParts": "ListMultipartUploadParts",
    "HeadObject": "GetObject",
    "GetObjectAttributes": "GetObject",
    "SelectObjectContent": "GetObject",
    "DeleteObjects": "DeleteObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "DeleteBucketCors": "PutBucketCORS",
    "GetBucketCors": "GetBucketCORS",
    "PutBucketCors": "PutBucketCORS",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
}

ACTIONS = {
    ("sagemaker-runtime", "InvokeEndpointWithResponseStream"): "InvokeEndpoint",
    ("lambda", "Invoke"): "InvokeFunction",
}


def asked(ctx: Ctx, service: str, operation: str, params: Doc) -> list[tuple[str, str]]:
    """The (action, resource ARN) pairs that must all be allowed; `*` where no resource is named."""
    if service == "s3":
        return _s3(operation, params)
    prefix = PREFIX.get(service, service)
    action = f"{prefix}:{ACTIONS.get((service, operation), operation)}"
    if prefix == "sagemaker":
        return [(action, _sagemaker(ctx, params))]
    if service == "iam" and "RoleName" in params:
        return [(action, f"arn:aws:iam::{ctx.account}:role/{params['RoleName']}")]
    if service == "sts" and "RoleArn" in params:
        return [(action, params["RoleArn"])]
    if service == "logs" and "logGroupName" in params:
        return [
            (
                action,
                f"arn:aws:logs:{ctx.region}:{ctx.account}:log-group:{params['logGroupName']}:*",
            )
        ]
    return [(action, "*")]


def _s3(operation: str, params: Doc) -> list[tuple[str, str]]:
    action = f"s3:{S3_ACTIONS.get(operation, operation)}"
    bucket, key = params.get("Bucket"), params.get("Key")
    if bucket is None:
        return [(action, "*")]
    arn = f"arn:aws:s3:::{bucket}"
    if operation == "DeleteObjects":
        keys = [str(o.get("Key", "")) for o in params.get("Delete", {}).get("Objects", ())]
        return [(action, f"{arn}/{key}") for key in keys] or [(action, f"{arn}/*")]
    found = [(action, f"{arn}/{key}" if key is not None else arn)]
    source = params.get("CopySource")
    if isinstance(source, dict):
        source = f"{source.get('Bucket')}/{source.get('Key')}"
    if source:
        found.append(("s3:GetObject", f"arn:aws:s3:::{source.split('?versionId=')[0].lstrip('/')}"))
    return found


def _sagemaker(ctx: Ctx, params: Doc) -> str:
    """The ARN in `ResourceArn` or `…Arn`, or the one that the first `…Name` member makes."""
    for member, value in params.items():
        if not isinstance(value, str):
            continue
        if member == "ResourceArn":
            return value
        if member.endswith("Name") and member[:-4]:
            kind = "".join(f"-{c.lower()}" if c.isupper() else c for c in member[:-4]).lstrip("-")
            return f"arn:aws:sagemaker:{ctx.region}:{ctx.account}:{kind}/{value.lower()}"
    return "*"


def pass_roles(service: str, operation: str, params: Doc) -> list[str]:
    """The roles that the request hands to SageMaker, for which the caller needs `iam:PassRole`."""
    if service != "sagemaker" or not operation.startswith(("Create", "Update")):
        return []
    one, several = params.get("TrainingJobDefinition"), params.get("TrainingJobDefinitions")
    inner = [each for each in (one, *(several or ())) if isinstance(each, dict)]
    found = [each.get("RoleArn") or each.get("ExecutionRoleArn") for each in (params, *inner)]
    return list(dict.fromkeys(role for role in found if isinstance(role, str)))
