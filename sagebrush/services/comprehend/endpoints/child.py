"""The endpoint of SageMaker that an endpoint of Comprehend's is, in Comprehend's account.

It is a serverless one. An inference unit is a process that is kept ready (ProvisionedConcurrency), up to one
for each CPU of this host; while more requests come at once than there are units, further processes start for
them, up to the same number, and end when they are idle. So units are never less than AWS's 100 characters a
second, and no request is held back to that: AWS throttles what exceeds its units, and here only REQUESTS at
once are too many.

A change of units changes the number of processes. A change of the model deploys a new configuration, which
takes the place of the old one when its process answers. Every step may be repeated.
"""

from __future__ import annotations

from dataclasses import replace

from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import arns, fleet
from sagebrush.services.comprehend.endpoints import reader
from sagebrush.services.comprehend.endpoints.plan import plan_of
from sagebrush.store.rows import Row
from sagebrush.world import Ctx, StartedBy, World

KIND = "endpoint"
"""The type in its ARN."""
VARIANT = "model"
MEMORY = 2048
"""MB that a process may have: a model with the shared encoder takes about 200, and a file is read in it."""
REQUESTS = 200
"""Requests that may be inside at once (SageMaker's most for such an endpoint)."""


def find(world: World, row: Row) -> Doc | None:
    """Its description; None where there is none."""
    name = plan_of(row)["child"]
    if world.rows.get(fleet.ctx(world).account, row.region, KIND, name) is None:
        return None
    try:
        return _here(world, row).call("sagemaker", "DescribeEndpoint", {"EndpointName": name})
    except AwsError as error:
        if error.status >= 500:
            raise
        return None  # it was deleted meanwhile


def create(world: World, row: Row) -> None:
    """It is there, with the model and the units that are wanted. Raises AwsError as SageMaker does."""
    name = configure(world, row)
    by = StartedBy(arns.of(row))
    wanted = {"EndpointName": plan_of(row)["child"], "EndpointConfigName": name}
    _made(world, replace(_here(world, row), started_by=by), "CreateEndpoint", wanted)


def configure(world: World, row: Row) -> str:
    """The name of a configuration with the wanted model and units, which is there. Raises AwsError as
    SageMaker does."""
    version = plan_of(row)["wanted"]
    name = named(row, version["number"])
    container = {
        "Image": fleet.IMAGE,
        "ModelDataUrl": version["archive"],
        "Environment": fleet.environment(world),
    }
    serverless = {
        "MemorySizeInMB": MEMORY,
        "MaxConcurrency": REQUESTS,
        "ProvisionedConcurrency": row.doc["DesiredInferenceUnits"],
    }
    variant = {"VariantName": VARIANT, "ModelName": name, "ServerlessConfig": serverless}
    here = _here(world, row)
    model = {
        "ModelName": name,
        "PrimaryContainer": container,
        "ExecutionRoleArn": reader.role(here, version["archive"]),
    }
    _made(world, here, "CreateModel", model)
    wanted: Doc = {"EndpointConfigName": name, "ProductionVariants": [variant]}
    _made(world, here, "CreateEndpointConfig", wanted)
    return name


def deploy(world: World, row: Row) -> None:
    """The configuration with the wanted model is being deployed. Raises AwsError as SageMaker does."""
    name = configure(world, row)
    wanted = {"EndpointName": plan_of(row)["child"], "EndpointConfigName": name}
    _here(world, row).call("sagemaker", "UpdateEndpoint", wanted)


def scale(world: World, row: Row) -> None:
    """It gets the units that are wanted. Raises AwsError as SageMaker does."""
    units = {"ProvisionedConcurrency": row.doc["DesiredInferenceUnits"]}
    wanted = {
        "EndpointName": plan_of(row)["child"],
        "DesiredWeightsAndCapacities": [{"VariantName": VARIANT, "ServerlessUpdateConfig": units}],
    }
    _here(world, row).call("sagemaker", "UpdateEndpointWeightsAndCapacities", wanted)


def units(found: Doc) -> int:
    """The units that it was told to have."""
    (variant,) = found["ProductionVariants"]
    return variant["DesiredServerlessConfig"]["ProvisionedConcurrency"]


def delete(world: World, row: Row) -> None:
    """It is being deleted. Raises AwsError while it cannot be."""
    wanted = {"EndpointName": plan_of(row)["child"]}
    _here(world, row).call("sagemaker", "DeleteEndpoint", wanted)


def forget(world: World, row: Row, number: int) -> None:
    """The model and the configuration of that number are gone."""
    here, name = _here(world, row), named(row, number)
    _gone(here, "DeleteEndpointConfig", {"EndpointConfigName": name})
    _gone(here, "DeleteModel", {"ModelName": name})


def named(row: Row, number: int) -> str:
    """The name of the model of that number, and of its configuration."""
    return f"{plan_of(row)['child']}-{number}"


def _here(world: World, row: Row) -> Ctx:
    return fleet.ctx(world, row.region)


def _made(world: World, here: Ctx, operation: str, request: Doc) -> None:
    """What the request creates is there, since an earlier try perhaps."""
    try:
        world.dispatch(here, "sagemaker", operation, request)
    except AwsError as error:
        if not error.message.startswith(fleet.THERE):
            raise


def _gone(here: Ctx, operation: str, request: Doc) -> None:
    try:
        here.call("sagemaker", operation, request)
    except AwsError as error:
        if error.status >= 500:
            raise
