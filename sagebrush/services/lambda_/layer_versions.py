"""Layer versions: published, shown, listed, deleted, and who may use them. Source: Lambda API reference;
developer guide, "Managing Lambda dependencies with layers"."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from sagebrush.access import layer_policies
from sagebrush.access.actions.functions import LAYER, LAYER_VERSION
from sagebrush.errors import AwsError, Doc
from sagebrush.services.lambda_ import code, configuration, faults, layers, lists, locations
from sagebrush.services.lambda_ import rows as function_rows
from sagebrush.services.lambda_.layers import LayerVersion
from sagebrush.services.lambda_.permissions import empty, principal_of
from sagebrush.store.changes import Changes, together
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

PAGE = 50
_SHOWN = ("LayerVersionArn", "Version", "Description", "CreatedDate", "CompatibleRuntimes",
          "LicenseInfo", "CompatibleArchitectures")  # fmt: skip
"""Members of the document that answers have; lists leave the layer's own out."""


def publish_layer_version(ctx: Ctx, request: Doc) -> Doc:
    """The layer has a further version, of the content that is given. Raises
    InvalidParameterValueException."""
    layer = _named(ctx, request["LayerName"])
    if layer.account != ctx.account:
        raise _denied(ctx, "PublishLayerVersion", layer.layer)
    package = code.taken(ctx, request["Content"])
    content: Doc = {"CodeSha256": code.sha256(package), "CodeSize": package.size}
    doc: Doc = {
        "Description": request.get("Description") or "",
        "CreatedDate": configuration.stamp(ctx.world.clock()),
        "Content": content,
        "Package": package.sha256,
        **{
            name: request[name]
            for name in ("CompatibleRuntimes", "CompatibleArchitectures", "LicenseInfo")
            if request.get(name)
        },
    }

    def work(changes: Changes) -> Row:
        row = changes.get(ctx.account, ctx.region, LAYER, layer.name)
        if row is None:
            row = changes.insert(Row(ctx.account, ctx.region, LAYER, layer.name, "", {"Last": 0}))
        number = row.doc["Last"] + 1
        changes.store(replace(row, doc={"Last": number}))
        made = replace(layer, number=str(number))
        doc.update({"Version": number, "LayerVersionArn": made.arn, "LayerArn": made.layer})
        return changes.insert(Row(ctx.account, ctx.region, LAYER_VERSION, made.row, "", doc))

    return _shown(ctx, together(ctx.world.db, ctx.world.rows, work))


def _named(ctx: Ctx, text: str) -> LayerVersion:
    """The layer that a name or an ARN names; its number is that of the ARN, or "0"."""
    if not text.startswith("arn:"):
        return LayerVersion(ctx.region, ctx.account, text, "0")
    found = layers.parse(text) or layers.parse(f"{text}:0")
    if found is None:
        raise faults.invalid(f"Invalid layer name: {text}")
    return found


def _version(ctx: Ctx, request: Doc) -> LayerVersion:
    if request["VersionNumber"] < 1:
        raise faults.invalid("Layer Version Cannot be less than 1.")
    return replace(_named(ctx, request["LayerName"]), number=str(request["VersionNumber"]))


def _shown(ctx: Ctx, row: Row) -> Doc:
    content = {**row.doc["Content"], "Location": locations.link(ctx, row.doc["Package"])}
    found = {name: row.doc[name] for name in _SHOWN if name in row.doc}
    return {**found, "LayerArn": row.doc["LayerArn"], "Content": content}


def _denied(ctx: Ctx, name: str, arn: str) -> AwsError:
    return AwsError(
        "AccessDeniedException",
        f"User: {ctx.caller.arn} is not authorized to perform: lambda:{name} on resource: {arn} because"
        f" no resource-based policy allows the lambda:{name} action",
        403,
    )


def get_layer_version(ctx: Ctx, request: Doc) -> Doc:
    """The layer version, and where its content can be fetched."""
    return _got(ctx, _version(ctx, request))


def get_layer_version_by_arn(ctx: Ctx, request: Doc) -> Doc:
    """As `get_layer_version`."""
    layer = layers.parse(request["Arn"])
    if layer is None:
        raise faults.missing("The resource you requested does not exist.")
    return _got(ctx, layer)


def _got(ctx: Ctx, layer: LayerVersion) -> Doc:
    if layer.environment:
        return _offered(ctx, layer)
    row = ctx.world.rows.get(layer.account, layer.region, LAYER_VERSION, layer.row)
    if layer.account != ctx.account and not layer_policies.lets_get(ctx, row, layer.arn):
        raise _denied(ctx, "GetLayerVersion", layer.arn)
    if row is None:
        raise faults.missing("The resource you requested does not exist.")
    return _shown(ctx, row)


def _offered(ctx: Ctx, layer: LayerVersion) -> Doc:
    """A layer that stands for an environment: it has no content of its own."""
    return {
        "LayerArn": layer.layer,
        "LayerVersionArn": layer.arn,
        "Version": int(layer.number),
        "Description": f"Sagebrush's environment {layer.environment}",
        "CreatedDate": configuration.stamp(0.0),
        "Content": {"CodeSize": 0},
    }


def list_layer_versions(ctx: Ctx, request: Doc) -> Doc:
    """A page of the layer's versions, the newest first."""
    layer = _named(ctx, request["LayerName"])
    found = [row for row in _versions(ctx) if row.doc["LayerArn"] == layer.layer]
    return lists.page(_suited(found, request), "LayerVersions", request, PAGE)


def _versions(ctx: Ctx) -> list[Row]:
    """All layer versions of the account and region, the newest of each layer first."""
    found = ctx.world.rows.select(LAYER_VERSION, account=ctx.account)
    own = [row for row in found if row.region == ctx.region]
    return sorted(own, key=lambda row: (row.doc["LayerArn"], -row.doc["Version"]))


def _suited(found: list[Row], request: Doc) -> list[Doc]:
    """Those that the request's compatible runtime and architecture suit, as lists show them."""
    wanted = (
        ("CompatibleRuntimes", request.get("CompatibleRuntime")),
        ("CompatibleArchitectures", request.get("CompatibleArchitecture")),
    )
    return [
        {name: row.doc[name] for name in _SHOWN if name in row.doc}
        for row in found
        if all(value is None or value in row.doc.get(member, ()) for member, value in wanted)
    ]


def list_layers(ctx: Ctx, request: Doc) -> Doc:
    """A page of the layers, by name, with their newest versions."""
    newest: dict[str, Row] = {}
    for row in _versions(ctx):
        newest.setdefault(row.doc["LayerArn"], row)
    found: list[Doc] = []
    for arn, row in sorted(newest.items()):
        for shown in _suited([row], request):
            name = arn.rpartition(":")[2]
            found.append({"LayerName": name, "LayerArn": arn, "LatestMatchingVersion": shown})
    return lists.page(found, "Layers", request, PAGE)


def delete_layer_version(ctx: Ctx, request: Doc) -> None:
    """There is no such version; functions that have it keep it."""
    row = _own(ctx, _version(ctx, request))
    if row is not None:
        ctx.world.rows.delete(row.id)


def _own(ctx: Ctx, layer: LayerVersion) -> Row | None:
    if layer.account != ctx.account:
        return None
    return ctx.world.rows.get(layer.account, layer.region, LAYER_VERSION, layer.row)


# ---- permissions


def add_layer_version_permission(ctx: Ctx, request: Doc) -> Doc:
    """The layer version's policy has the statement. Raises ResourceConflictException."""
    layer = _version(ctx, request)
    statement: Doc = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": principal_of(request["Principal"]),
        "Action": request["Action"],
        "Resource": layer.arn,
    }
    if request.get("OrganizationId"):
        statement["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": request["OrganizationId"]}}

    def change(held: Doc) -> Doc:
        if any(each["Sid"] == statement["Sid"] for each in held["Statement"]):
            raise faults.conflict(
                f"The statement id ({statement['Sid']}) provided already exists. Please provide a new"
                " statement id, or remove the existing statement."
            )
        return {**held, "Statement": [*held["Statement"], statement]}

    revision = _changed_policy(ctx, layer, request, change)
    return {"Statement": json.dumps(statement, separators=(",", ":")), "RevisionId": revision}


def _changed_policy(ctx: Ctx, layer: LayerVersion, request: Doc, change: Any) -> str:
    row, revision = _own(ctx, layer), function_rows.revision()
    if row is None:
        raise faults.missing(f"Layer version {layer.arn} does not exist.")

    def work(row: Row) -> Row:
        text = row.doc.get("Policy")
        if request.get("RevisionId") not in (None, row.doc.get("PolicyRevision")):
            raise faults.stale("GetLayerPolicy")
        new = change(json.loads(text) if text else empty())
        doc = {**row.doc, "PolicyRevision": revision}
        doc["Policy"] = json.dumps(new, separators=(",", ":")) if new["Statement"] else None
        return replace(row, doc=doc)

    ctx.world.rows.update(row.id, work)
    return revision


def remove_layer_version_permission(ctx: Ctx, request: Doc) -> None:
    """The layer version's policy has no such statement. Raises ResourceNotFoundException."""
    wanted = request["StatementId"]

    def change(held: Doc) -> Doc:
        left = [each for each in held["Statement"] if each["Sid"] != wanted]
        if len(left) == len(held["Statement"]):
            raise faults.missing(f"Statement {wanted} is not found in resource policy.")
        return {**held, "Statement": left}

    _changed_policy(ctx, _version(ctx, request), request, change)


def get_layer_version_policy(ctx: Ctx, request: Doc) -> Doc:
    """The layer version's policy, as JSON. Raises ResourceNotFoundException where there is none."""
    layer = _version(ctx, request)
    row = _own(ctx, layer)
    if row is None:
        raise faults.missing(f"Layer version {layer.arn} does not exist.")
    if not row.doc.get("Policy"):
        raise faults.missing("No policy is associated with the given resource.")
    return {"Policy": row.doc["Policy"], "RevisionId": row.doc["PolicyRevision"]}
