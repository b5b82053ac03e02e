"""Layers of functions: which versions a function may attach, and those that Sagebrush offers itself.

Source: Lambda developer guide, "Managing Lambda dependencies with layers"; "AWS SDK for pandas" documents
the ARNs of its public layer. A layer that names an environment is no package: the function runs in that
environment, whose packages it sees.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sagebrush.access import layer_policies
from sagebrush.access.actions.functions import LAYER_VERSION
from sagebrush.environments.store import BuildFailed
from sagebrush.errors import AwsError, Doc
from sagebrush.services.lambda_ import faults, limits
from sagebrush.services.lambda_ import rows as function_rows
from sagebrush.store.rows import Row
from sagebrush.world import Ctx, World

PANDAS_ACCOUNT = "336392948345"
"""The account of AWS's public layer of its SDK for pandas."""
OWN_ACCOUNT = "000000000000"
"""The account in the ARNs of the layers that Sagebrush offers: no account's own."""
OWN = {"sagebrush-nlp": "nlp"}
"""Name of a layer of OWN_ACCOUNT -> the environment that it stands for."""
PANDAS_ENVIRONMENT = "nlp"
"""It has pandas, NumPy, PyArrow and boto3."""
_ARN = re.compile(
    r"arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):layer:(?P<name>[a-zA-Z0-9-_]+)"
    r":(?P<version>\d+)"
)
_PANDAS = re.compile(r"AWSSDKPandas-Python3\d+(-Arm64)?|AWSDataWrangler-Python3\d+(-Arm64)?")


@dataclass(frozen=True)
class LayerVersion:
    """A version of a layer, as its ARN names it."""

    region: str
    account: str
    name: str
    number: str

    @property
    def row(self) -> str:
        """The name of its row."""
        return f"{self.name}:{self.number}"

    @property
    def layer(self) -> str:
        """The ARN of its layer."""
        return f"arn:aws:lambda:{self.region}:{self.account}:layer:{self.name}"

    @property
    def arn(self) -> str:
        return f"{self.layer}:{self.number}"

    @property
    def environment(self) -> str:
        """The environment that it stands for; "" where it is a package."""
        if self.account == OWN_ACCOUNT:
            return OWN.get(self.name, "")
        if self.account == PANDAS_ACCOUNT and _PANDAS.fullmatch(self.name):
            return PANDAS_ENVIRONMENT
        return ""


@dataclass(frozen=True)
class Attached:
    """The layers of a function."""

    shown: tuple[Doc, ...] = ()
    """As the configuration shows them."""
    unzipped: int = 0
    """Bytes of what they hold."""
    packages: tuple[str, ...] = ()
    """SHA-256 of each one's package, in order; those that stand for an environment have none."""


def parse(arn: str) -> LayerVersion | None:
    """The layer version that the ARN names, or None."""
    found = _ARN.fullmatch(arn)
    if found is None:
        return None
    return LayerVersion(found["region"], found["account"], found["name"], found["version"])


def attached(ctx: Ctx, arns: Sequence[str], function: str) -> Attached:
    """The layers of those ARNs, in order, for the function of that ARN.

    Raises InvalidParameterValueException, and AccessDeniedException (403) for another account's that does
    not let the caller use it.
    """
    if len(arns) > limits.LAYERS:
        raise faults.invalid("Cannot reference more than 5 layers.")
    found = [_usable(ctx, arn, function) for arn in arns]
    first: dict[str, LayerVersion] = {}
    for layer, _ in found:
        before = first.setdefault(layer.layer, layer)
        if before is not layer:
            raise faults.invalid(
                "Two different versions of the same layer are not allowed to be referenced in the same"
                f" function. {before.arn} and {layer.arn} are versions of the same layer."
            )
    named = {layer.environment for layer, _ in found} - {""}
    if len(named) > 1:
        raise faults.unsupported(
            f"layers of several environments together ({', '.join(sorted(named))})"
        )
    kept = function_rows.packages(ctx.world)
    packages = tuple(package_of(row) for _, row in found if row is not None)
    shown = tuple(
        {"Arn": layer.arn, "CodeSize": row.doc["Content"]["CodeSize"] if row else 0}
        for layer, row in found
    )
    return Attached(shown, sum(map(kept.unzipped, packages)), packages)


def _usable(ctx: Ctx, arn: str, function: str) -> tuple[LayerVersion, Row | None]:
    """The layer version, and its row unless Sagebrush offers it itself."""
    layer = parse(arn)
    if layer is None:
        raise faults.unsupported(f"the layer {arn}")
    if layer.environment:
        return layer, None
    if layer.region != function.split(":")[3]:
        raise faults.invalid(
            "Layers are not in the same region as the function. Layers are expected to be in region"
            f" {function.split(':')[3]}."
        )
    row = ctx.world.rows.get(layer.account, layer.region, LAYER_VERSION, layer.row)
    if layer.account != ctx.account and not layer_policies.lets_get(ctx, row, layer.arn):
        raise AwsError(
            "AccessDeniedException",
            f"User: {ctx.caller.arn} is not authorized to perform: lambda:GetLayerVersion on resource:"
            f" {layer.arn} because no resource-based policy allows the lambda:GetLayerVersion action",
            403,
        )
    if row is None:
        raise faults.invalid(f"Layer version {layer.arn} does not exist.")
    return layer, row


def package_of(row: Row) -> str:
    """The SHA-256 of the package of the layer version."""
    return str(row.doc["Package"])


def check_size(unzipped: int, layers: Attached) -> None:
    """Returns where code and layers are together not too large; raises
    InvalidParameterValueException."""
    size = unzipped + layers.unzipped
    if size > limits.UNZIPPED:
        raise faults.invalid(
            "Function code combined with layers exceeds the maximum allowed size of"
            f" {limits.UNZIPPED} bytes. The actual size is {size} bytes."
        )


def of(doc: Doc) -> list[LayerVersion]:
    """The layers of a function's configuration, in order."""
    found = [parse(each["Arn"]) for each in doc.get("Layers") or ()]
    return [layer for layer in found if layer is not None]


def environment_of(doc: Doc) -> str:
    """The environment that the function's layers ask for; "" for the plain one."""
    return next((layer.environment for layer in of(doc) if layer.environment), "")


def ready(world: World, row: Row) -> tuple[bool, str]:
    """Whether what the function's layers need is still being made, and why it cannot be."""
    name = environment_of(row.doc)
    if not name:
        return False, ""
    try:
        return world.environments.ready(name) is None, ""
    except BuildFailed as error:
        return False, f"The environment {name} of the function's layers could not be built: {error}"
