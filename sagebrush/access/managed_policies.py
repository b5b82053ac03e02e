"""AWS-managed policies that notebooks attach, with what they allow of the services offered here.

AWS Managed Policy Reference Guide; statements about services that Sagebrush lacks are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def _policy(*statements: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(*actions: str, on: str | list[str] = "*", when: Any = None) -> Mapping[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": on}
    return {**statement, "Condition": when} if when else statement


_SAGEMAKER_OBJECTS = [
    "arn:aws:s3:::*SageMaker*",
    "arn:aws:s3:::*Sagemaker*",
    "arn:aws:s3:::*sagemaker*",
    "arn:aws:s3:::*aws-glue*",
]
_PASSED = {
    "StringEquals": {
        "iam:PassedToService": [
            "glue.amazonaws.com", "robomaker.amazonaws.com", "states.amazonaws.com",
        ]
    }
}  # fmt: skip
_PASSED_SAGEMAKER = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
_SCALING = "sagemaker.application-autoscaling.amazonaws.com"
_SCALER = (
    f"arn:aws:iam::*:role/aws-service-role/{_SCALING}/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)
_SAGEMAKER_ROLE = "arn:aws:iam::*:role/*AmazonSageMaker*"

KNOWN: Mapping[str, Mapping[str, Any]] = {
    "arn:aws:iam::aws:policy/AdministratorAccess": _policy(_allow("*")),
    "arn:aws:iam::aws:policy/ReadOnlyAccess": _policy(
        _allow(
            "s3:Get*", "s3:List*", "sagemaker:Describe*", "sagemaker:List*", "sagemaker:Search",
            "iam:Get*", "iam:List*", "iam:Simulate*", "logs:Describe*", "logs:Get*",
            "logs:FilterLogEvents", "logs:List*", "cloudwatch:Describe*", "cloudwatch:Get*",
            "cloudwatch:List*", "lambda:Get*", "lambda:List*", "sts:GetCallerIdentity",
        )
    ),
    "arn:aws:iam::aws:policy/AmazonS3FullAccess": _policy(_allow("s3:*", "s3-object-lambda:*")),
    "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess": _policy(
        _allow("s3:Get*", "s3:List*", "s3:Describe*")
    ),
    "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess": _policy(
        _allow("sagemaker:*"),
        _allow(
            "application-autoscaling:*", "cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms",
            "cloudwatch:GetMetricData", "cloudwatch:GetMetricStatistics",
            "cloudwatch:ListMetrics", "cloudwatch:PutMetricAlarm", "cloudwatch:PutMetricData",
            "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CreateRepository",
            "ecr:Describe*", "ecr:GetAuthorizationToken", "ecr:GetDownloadUrlForLayer",
            "iam:GetRole", "iam:ListRoles", "lambda:ListFunctions", "logs:CreateLogDelivery",
            "logs:CreateLogGroup", "logs:CreateLogStream", "logs:DeleteLogDelivery",
            "logs:Describe*", "logs:GetLogDelivery", "logs:GetLogEvents",
            "logs:ListLogDeliveries", "logs:PutLogEvents", "logs:PutResourcePolicy",
            "logs:UpdateLogDelivery", "sts:GetCallerIdentity",
        ),
        _allow(
            "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload",
            on=_SAGEMAKER_OBJECTS,
        ),
        _allow(
            "s3:CreateBucket", "s3:GetBucketLocation", "s3:ListBucket", "s3:ListAllMyBuckets",
            "s3:GetBucketCors", "s3:PutBucketCors", "s3:GetBucketAcl", "s3:PutObjectAcl",
        ),
        _allow("lambda:InvokeFunction", on="arn:aws:lambda:*:*:function:*SageMaker*"),
        _allow("iam:CreateServiceLinkedRole", on=_SCALER,
               when={"StringLike": {"iam:AWSServiceName": _SCALING}}),
        _allow("iam:PassRole", on=_SAGEMAKER_ROLE, when=_PASSED),
        _allow("iam:PassRole", on="arn:aws:iam::*:role/*", when=_PASSED_SAGEMAKER),
    ),
    "arn:aws:iam::aws:policy/AmazonSageMakerReadOnly": _policy(
        _allow(
            "sagemaker:Describe*", "sagemaker:List*", "sagemaker:BatchGetMetrics",
            "sagemaker:GetSearchSuggestions", "sagemaker:Search", "cloudwatch:DescribeAlarms",
        )
    ),
    "arn:aws:iam::aws:policy/CloudWatchFullAccess": _policy(
        _allow("cloudwatch:*", "logs:*", "iam:GetRole")
    ),
    "arn:aws:iam::aws:policy/CloudWatchLogsFullAccess": _policy(_allow("logs:*")),
    "arn:aws:iam::aws:policy/IAMFullAccess": _policy(_allow("iam:*")),
    "arn:aws:iam::aws:policy/ComprehendFullAccess": _policy(
        _allow("comprehend:*", "iam:GetRole", "iam:ListRoles", "s3:GetBucketLocation",
               "s3:ListAllMyBuckets", "s3:ListBucket")
    ),
    "arn:aws:iam::aws:policy/ComprehendReadOnly": _policy(
        _allow("comprehend:Detect*", "comprehend:BatchDetect*", "comprehend:ContainsPiiEntities",
               "comprehend:ClassifyDocument", "comprehend:Describe*", "comprehend:List*")
    ),
    "arn:aws:iam::aws:policy/service-role/ComprehendDataAccessRolePolicy": _policy(
        _allow("s3:GetObject", "s3:ListBucket", "s3:PutObject",
               on=["arn:aws:s3:::*Comprehend*", "arn:aws:s3:::*comprehend*"])
    ),
    "arn:aws:iam::aws:policy/AWSStepFunctionsFullAccess": _policy(_allow("states:*")),
    "arn:aws:iam::aws:policy/AWSLambda_FullAccess": _policy(
        _allow("lambda:*", "logs:DescribeLogStreams", "logs:GetLogEvents", "logs:FilterLogEvents",
               "cloudwatch:GetMetricData", "cloudwatch:ListMetrics", "iam:GetRole",
               "iam:ListRoles"),
        _allow("iam:PassRole", when={"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}),
    ),
    "arn:aws:iam::aws:policy/AWSLambda_ReadOnlyAccess": _policy(
        _allow("lambda:Get*", "lambda:List*", "logs:DescribeLogGroups", "logs:DescribeLogStreams",
               "logs:FilterLogEvents", "logs:GetLogEvents", "cloudwatch:GetMetricData",
               "cloudwatch:ListMetrics", "iam:GetRole", "iam:ListRoles")
    ),
    "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole": _policy(
        _allow("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
    ),
    "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole": _policy(
        _allow("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
    ),
    "arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole": _policy(
        _allow("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
               "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
    ),
    "arn:aws:iam::aws:policy/service-role/AWSLambdaRole": _policy(_allow("lambda:InvokeFunction")),
    "arn:aws:iam::aws:policy/AWSLambdaExecute": _policy(
        _allow("logs:*", on="arn:aws:logs:*:*:*"),
        _allow("s3:GetObject", "s3:PutObject", on="arn:aws:s3:::*"),
    ),
    "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryFullAccess": _policy(_allow("ecr:*")),
    "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly": _policy(
        _allow("ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability",
               "ecr:GetDownloadUrlForLayer", "ecr:GetRepositoryPolicy", "ecr:Describe*",
               "ecr:List*", "ecr:BatchGetImage")
    ),
    "arn:aws:iam::aws:policy/aws-service-role/AWSApplicationAutoscalingSageMakerEndpointPolicy":
    _policy(
        _allow("sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig",
               "sagemaker:DescribeInferenceComponent",
               "sagemaker:UpdateEndpointWeightsAndCapacities",
               "sagemaker:UpdateInferenceComponentRuntimeConfig", "cloudwatch:PutMetricAlarm",
               "cloudwatch:DescribeAlarms", "cloudwatch:DeleteAlarms",
               "cloudwatch:GetMetricData")
    ),
    "arn:aws:iam::aws:policy/aws-service-role/AWSApplicationAutoscalingComprehendEndpointPolicy":
    _policy(
        _allow("comprehend:DescribeEndpoint", "comprehend:UpdateEndpoint",
               "cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms",
               "cloudwatch:DeleteAlarms", "cloudwatch:GetMetricData")
    ),
    "arn:aws:iam::aws:policy/AmazonEventBridgeFullAccess": _policy(_allow("events:*")),
}  # fmt: skip
"""Policy ARN -> document."""
