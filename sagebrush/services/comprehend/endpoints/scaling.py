"""What deleting an endpoint means for Application Auto Scaling."""

from __future__ import annotations

from sagebrush.errors import AwsError
from sagebrush.store.rows import Row
from sagebrush.world import World


def deregister(world: World, row: Row, arn: str) -> None:
    """The endpoint is no scalable target any more, so that one which is created under its name later is
    none by itself."""
    own = world.service_ctx(region=row.region, account=row.account)
    asked = {"ServiceNamespace": "comprehend", "ResourceIds": [arn]}
    found = own.call("application-autoscaling", "DescribeScalableTargets", asked)
    for target in found["ScalableTargets"]:
        which = {m: target[m] for m in ("ServiceNamespace", "ResourceId", "ScalableDimension")}
        try:
            own.call("application-autoscaling", "DeregisterScalableTarget", which)
        except AwsError as error:
            if error.code != "ObjectNotFoundException":
                raise
