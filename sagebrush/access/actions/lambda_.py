"""AWS Lambda (Service Authorization Reference, "AWS Lambda")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sagebrush.access import function_references
from sagebrush.access.actions.entries import (
    Entry,
    Fixed,
    Permission,
    RequestTags,
    Resource,
    Table,
    Target,
    Value,
    given,
    key,
)
from sagebrush.access.actions.functions import FUNCTION, MAPPING
from sagebrush.access.actions.iam import RoleArns
from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.world import Ctx

TAG_KEYS = ("aws:resourcetag/",)


_ROWS = {"function": FUNCTION, "event-source-mapping": MAPPING}


def _tags(ctx: Ctx, kind: str, account: str, region: str, name: str) -> Mapping[str, str]:
    row = ctx.world.rows.get(account, region, kind, name)
    return row.plan.get("tags", {}) if row is not None else {}


@dataclass(frozen=True)
class Function:
    """The function at `member`; with the qualifier that the request has where `qualified`. With `url` it
    gives the condition keys about its URL."""

    member: str = "FunctionName"
    qualified: bool = False
    url: bool = False
    kind: str = "function"

    @property
    def members(self) -> tuple[str, ...]:
        return (self.member, "Qualifier") if self.qualified else (self.member,)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        found = params.get(self.member)
        if not isinstance(found, str):
            return ()
        try:
            qualifier = params.get("Qualifier") if self.qualified else None
            of = function_references.parse(found, qualifier, ctx.account, ctx.region)
        except AwsError:  # which the operation refuses
            return ()
        arn = of.qualified if self.qualified else of.arn
        tags = partial(_tags, ctx, FUNCTION, of.account, of.region, of.name)
        known = _of_url(ctx, of) if self.url else {}
        return (Target(arn, tags, TAG_KEYS, known),)


def _of_url(ctx: Ctx, of: function_references.FunctionReference) -> dict[str, str]:
    """The condition keys about the function's URL, in lower case."""
    row = ctx.world.rows.get(of.account, of.region, FUNCTION, of.name)
    config = function_references.urls(row).get(of.qualifier) if row is not None else None
    found = {"lambda:functionarn": of.qualified}
    return {**found, "lambda:functionurlauthtype": config["AuthType"]} if config else found


@dataclass(frozen=True)
class Layer:
    """The layer at `LayerName`, a name or an ARN; with `version` its version at `VersionNumber`."""

    version: bool = False

    @property
    def kind(self) -> str:
        return "layerVersion" if self.version else "layer"

    @property
    def members(self) -> tuple[str, ...]:
        return ("LayerName", "VersionNumber") if self.version else ("LayerName",)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        name = params.get("LayerName")
        if not isinstance(name, str):
            return ()
        arn = name
        if not name.startswith("arn:"):
            arn = f"arn:aws:lambda:{ctx.region}:{ctx.account}:layer:{name}"
        return (Target(f"{arn}:{params.get('VersionNumber')}" if self.version else arn),)


@dataclass(frozen=True)
class ByArn:
    """The resource whose ARN is at `member`."""

    member: str
    kind: str = ""

    @property
    def members(self) -> tuple[str, ...]:
        return (self.member,)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        arn = params.get(self.member)
        if not isinstance(arn, str) or not arn.startswith("arn:"):
            return ()
        named = Arn.parse(arn)
        kind, _, rest = named.resource.partition(":") if named is not None else ("", "", "")
        if kind not in _ROWS:
            return (Target(arn),)
        name = rest.partition(":")[0]
        tags = partial(_tags, ctx, _ROWS[kind], ctx.account, ctx.region, name)
        return (Target(arn, tags, TAG_KEYS),)


@dataclass(frozen=True)
class EventSourceMapping:
    """The event source mapping of that UUID."""

    kind: str = "eventSourceMapping"
    members: tuple[str, ...] = ("UUID",)
    kind_of_rows: str = MAPPING

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        uid = params.get("UUID")
        if not isinstance(uid, str):
            return ()
        row = ctx.world.rows.get(ctx.account, ctx.region, self.kind_of_rows, uid)
        known = {"lambda:functionarn": row.doc["FunctionArn"]} if row is not None else {}
        tags = partial(_tags, ctx, self.kind_of_rows, ctx.account, ctx.region, uid)
        arn = f"arn:aws:lambda:{ctx.region}:{ctx.account}:event-source-mapping:{uid}"
        return (Target(arn, tags, TAG_KEYS, known),)


@dataclass(frozen=True)
class NewMapping:
    """The event source mapping that is made, whose UUID nobody knows before."""

    kind: str = "eventSourceMapping"
    members: tuple[str, ...] = ()

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        return (Target(f"arn:aws:lambda:{ctx.region}:{ctx.account}:event-source-mapping:*"),)


@dataclass(frozen=True)
class FunctionArn:
    """`lambda:FunctionArn`: the function that a mapping invokes."""

    member: str = "FunctionName"
    names: tuple[str, ...] = ("lambda:FunctionArn",)

    @property
    def members(self) -> tuple[str, ...]:
        return (self.member,)

    def value(self, ctx: Ctx, name: str, params: Doc) -> Value | None:
        if name != "lambda:functionarn" or not isinstance(params.get(self.member), str):
            return None
        try:
            found = params[self.member]
            return function_references.parse(found, None, ctx.account, ctx.region).qualified
        except AwsError:
            return None


FUNCTION_, QUALIFIED = Function(), Function(qualified=True)
PROVISIONED = Function(qualified=True, kind="function-alias")  # a version's ARN has the same form
LAYER, VERSION = Layer(), Layer(version=True)
TAGS = RequestTags("Tags")
LAYERS = key("lambda:Layer", "Layers", many=True)
NETWORK = (
    key("lambda:SecurityGroupIds", "VpcConfig.SecurityGroupIds", many=True),
    key("lambda:SubnetIds", "VpcConfig.SubnetIds", many=True),
)
URL = Function(qualified=True, url=True)
ROLE = Permission(
    "iam:PassRole",
    RoleArns(("Role",)),
    keys=(Fixed("iam:PassedToService", "lambda.amazonaws.com"),),
    optional=True,
)


def _on(resource: Resource, *names: str) -> dict[str, Entry]:
    """Operations that are the action of their name on one resource."""
    return {name: (Permission(f"lambda:{name}", resource),) for name in names}


TABLE: Table = {
    **_on(
        FUNCTION_,
        "CreateAlias", "DeleteAlias", "DeleteFunctionConcurrency", "GetAlias",
        "GetFunctionCodeSigningConfig", "GetFunctionConcurrency", "GetFunctionRecursionConfig", "ListAliases",
        "ListFunctionEventInvokeConfigs",
        "ListProvisionedConcurrencyConfigs",
        "ListVersionsByFunction", "PublishVersion", "PutFunctionConcurrency",
        "PutFunctionRecursionConfig", "UpdateAlias",
        "UpdateFunctionCode",
    ),
    **_on(
        QUALIFIED,
        "DeleteFunction", "DeleteFunctionEventInvokeConfig",
        "GetFunction", "GetFunctionConfiguration", "GetFunctionEventInvokeConfig", "GetPolicy",
        "GetRuntimeManagementConfig", "PutFunctionEventInvokeConfig",
        "PutRuntimeManagementConfig", "UpdateFunctionEventInvokeConfig",
    ),
    **_on(
        PROVISIONED,
        "DeleteProvisionedConcurrencyConfig", "GetProvisionedConcurrencyConfig",
        "PutProvisionedConcurrencyConfig",
    ),
    "CreateFunction": (
        Permission(
            "lambda:CreateFunction", FUNCTION_, keys=(LAYERS, *NETWORK, TAGS)
        ),
        Permission("lambda:TagResource", FUNCTION_, keys=(TAGS,), when=given("Tags")),
        ROLE,
    ),
    "UpdateFunctionConfiguration": (
        Permission(
            "lambda:UpdateFunctionConfiguration", FUNCTION_, keys=(LAYERS, *NETWORK)
        ),
        ROLE,
    ),
    "AddPermission": (
        Permission(
            "lambda:AddPermission",
            QUALIFIED,
            keys=(
                key("lambda:Principal", "Principal"),
                key("lambda:FunctionUrlAuthType", "FunctionUrlAuthType"),
            ),
        ),
    ),
    "RemovePermission": (Permission("lambda:RemovePermission", QUALIFIED),),
    "Invoke": (Permission("lambda:InvokeFunction", QUALIFIED),),
    "InvokeAsync": (Permission("lambda:InvokeAsync", FUNCTION_),),
    "InvokeWithResponseStream": (Permission("lambda:InvokeFunction", QUALIFIED),),
    "ListFunctions": (Permission("lambda:ListFunctions"),),
    "GetAccountSettings": (Permission("lambda:GetAccountSettings"),),
    **_on(VERSION, "AddLayerVersionPermission", "DeleteLayerVersion", "GetLayerVersion",
          "GetLayerVersionPolicy", "RemoveLayerVersionPermission"),
    "GetLayerVersionByArn": (Permission("lambda:GetLayerVersion", ByArn("Arn", "layerVersion")),),
    "ListLayers": (Permission("lambda:ListLayers"),),
    "ListLayerVersions": (Permission("lambda:ListLayerVersions"),),
    "PublishLayerVersion": (Permission("lambda:PublishLayerVersion", LAYER),),
    **{
        name: (
            Permission(
                f"lambda:{name}", QUALIFIED, keys=(key("lambda:FunctionUrlAuthType", "AuthType"),)
            ),
        )
        for name in ("CreateFunctionUrlConfig", "UpdateFunctionUrlConfig")
    },
    **{
        name: (Permission(f"lambda:{name}", URL),)
        for name in ("DeleteFunctionUrlConfig", "GetFunctionUrlConfig")
    },
    "ListFunctionUrlConfigs": (Permission("lambda:ListFunctionUrlConfigs", FUNCTION_),),
    "CreateEventSourceMapping": (
        Permission("lambda:CreateEventSourceMapping", keys=(FunctionArn(), TAGS)),
        Permission("lambda:TagResource", NewMapping(), keys=(TAGS,), when=given("Tags")),
    ),
    "GetEventSourceMapping": (Permission("lambda:GetEventSourceMapping", EventSourceMapping()),),
    "UpdateEventSourceMapping": (
        Permission("lambda:UpdateEventSourceMapping", EventSourceMapping(), keys=(FunctionArn(),)),
    ),
    "DeleteEventSourceMapping": (Permission("lambda:DeleteEventSourceMapping", EventSourceMapping()),),
    "ListEventSourceMappings": (Permission("lambda:ListEventSourceMappings"),),
    "ListTags": (Permission("lambda:ListTags", ByArn("Resource")),),
    "TagResource": (Permission("lambda:TagResource", ByArn("Resource"), keys=(TAGS,)),),
    "UntagResource": (
        Permission(
            "lambda:UntagResource",
            ByArn("Resource"),
            keys=(key("aws:TagKeys", "TagKeys", many=True),),
        ),
    ),
}  # fmt: skip
