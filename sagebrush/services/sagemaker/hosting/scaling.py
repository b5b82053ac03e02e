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
    _withdraw(ctx, [f"endpoint/{endpoint}/variant/{variant}" for variant in variants])


def deregister_component(ctx: Ctx, name: str) -> None:
    """The inference component is no scalable target any more, as `deregister`."""
    _withdraw(ctx, [f"inference-component/{name}"])


def _withdraw(ctx: Ctx, ids: list[str]) -> None:
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
