"""What deleting an endpoint means for Application Auto Scaling."""

from __future__ import annotations

from collections.abc import Iterable

from sagebrush.errors import AwsError
from sagebrush.world import Ctx


def deregister(ctx: Ctx, endpoint: str, variants: Iterable[str]) -> None:
    """The endpoint's variants are no scalable targets any more, where the caller may deregister them.

    Source: SageMaker's guide, "Delete endpoints that use automatic scaling". What the caller may not
    deregister withdraws by itself when it next wants to scale what is gone.
    """
    ids = [f"endpoint/{endpoint}/variant/{variant}" for variant in variants]
    own = ctx.world.service_ctx(region=ctx.region, account=ctx.account)
    asked = {"ServiceNamespace": "sagemaker", "ResourceIds": ids}
    found = own.call("application-autoscaling", "DescribeScalableTargets", asked)
    for target in found["ScalableTargets"]:
        which = {m: target[m] for m in ("ServiceNamespace", "ResourceId", "ScalableDimension")}
        try:
            ctx.call("application-autoscaling", "DeregisterScalableTarget", which)
        except AwsError as error:
            if error.code not in ("AccessDeniedException", "ObjectNotFoundException"):
                raise
