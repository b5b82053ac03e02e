"""Names of service-linked roles (IAM user guide, "Create a service-linked role"; services' guides)."""

from __future__ import annotations

from collections.abc import Mapping

PATH = "/aws-service-role/"
"""How their paths begin; the service's principal follows."""
DOMAIN = ".amazonaws.com"
_AUTOSCALING = ".application-autoscaling"
_NAMES: Mapping[str, str] = {
    "autoscaling": "AutoScaling",
    "batch": "Batch",
    "ecs": "ECS",
    "eks": "AmazonEKS",
    "elasticbeanstalk": "ElasticBeanstalk",
    "elasticloadbalancing": "ElasticLoadBalancing",
    "lex": "LexBots",
    "lexv2": "LexV2Bots",
    "rds": "RDS",
    "sagemaker": "AmazonSageMakerNotebooks",
    "spot": "EC2Spot",
    f"comprehend{_AUTOSCALING}": "ApplicationAutoScaling_ComprehendEndpoint",
    f"custom-resource{_AUTOSCALING}": "ApplicationAutoScaling_CustomResource",
    f"dynamodb{_AUTOSCALING}": "ApplicationAutoScaling_DynamoDBTable",
    f"ecs{_AUTOSCALING}": "ApplicationAutoScaling_ECSService",
    f"lambda{_AUTOSCALING}": "ApplicationAutoScaling_LambdaConcurrency",
    f"sagemaker{_AUTOSCALING}": "ApplicationAutoScaling_SageMakerEndpoint",
}
"""Service principal without its domain -> what its role is called after `AWSServiceRoleFor`."""
_POLICIES: Mapping[str, str] = {
    f"comprehend{_AUTOSCALING}": "AWSApplicationAutoscalingComprehendEndpointPolicy",
    f"sagemaker{_AUTOSCALING}": "AWSApplicationAutoscalingSageMakerEndpointPolicy",
}
"""Service principal without its domain -> the policy that AWS attaches to its role, where the service
is here and needs it."""
_SUFFIXED = ("autoscaling", "lex", "lexv2")


def name_of(principal: str, suffix: str | None = None) -> str:
    """The name of the service's role; of a service that is not known here as its principal begins,
    which AWS's own name need not be."""
    service = principal.removesuffix(DOMAIN)
    name = f"AWSServiceRoleFor{_NAMES.get(service, service.partition('.')[0])}"
    return f"{name}_{suffix}" if suffix else name


def may_have_suffix(principal: str) -> bool:
    """Whether the service may have several roles, which a suffix tells apart."""
    return principal.removesuffix(DOMAIN) in _SUFFIXED


def policy_of(principal: str) -> str | None:
    """The ARN of the policy that the service's role has here; None where it needs none."""
    name = _POLICIES.get(principal.removesuffix(DOMAIN))
    return f"arn:aws:iam::aws:policy{PATH}{name}" if name else None
