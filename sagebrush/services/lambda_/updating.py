"""Changes of a function's code and configuration. Source: Lambda API reference, UpdateFunctionCode and
UpdateFunctionConfiguration; what was before serves until the update is done (`life`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sagebrush.access.function_references import FunctionReference
from sagebrush.errors import Doc
from sagebrush.services.lambda_ import (
    code,
    configuration,
    faults,
    images,
    layers,
    rows,
    runtimes,
    sending,
    versions,
)
from sagebrush.services.lambda_.plan import plan_of
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

_OF_CODE = ("code", "layers", "image", "digest", "resolved", "revision")


def update_function_code(ctx: Ctx, request: Doc) -> Doc:
    """The function has other code; with Publish it is also its newest version's. With DryRun nothing
    changes.

    Raises InvalidParameterValueException, PreconditionFailedException (412), ResourceConflictException.
    """
    of = rows.reference(ctx, request)
    row = rows.function(ctx.world, of)
    _check(row, request)
    if request.get("PublishTo"):
        raise faults.unsupported(configuration.UNSUPPORTED["PublishTo"])
    image = row.doc["PackageType"] == "Image"
    if image or request.get("ImageUri"):
        if image and not request.get("ImageUri"):
            raise faults.invalid(
                "Please provide ImageUri when updating a function with packageType Image."
            )
        if not image:
            raise faults.invalid(
                "Please don't provide ImageUri when updating a function with packageType Zip."
            )
        return _with_code(ctx, of, request, *images.taken(ctx, request["ImageUri"]))
    package = code.taken(ctx, request)
    held = plan_of(row).get("layers", [])
    kept = rows.packages(ctx.world)
    layers.check_size(package.unzipped, layers.Attached(unzipped=sum(map(kept.unzipped, held))))
    changes: Doc = {"CodeSha256": code.sha256(package), "CodeSize": package.size}
    return _with_code(ctx, of, request, changes, {"code": package.sha256})


def _with_code(ctx: Ctx, of: FunctionReference, request: Doc, changes: Doc, plan: Doc) -> Doc:
    """The configuration of the function, which gets that code, or would get it (DryRun)."""
    if request.get("Architectures"):
        changes["Architectures"] = request["Architectures"]
    if request.get("DryRun"):
        return configuration.shown({**rows.function(ctx.world, of).doc, **changes})
    return _updated(ctx, of, request, lambda doc: {**doc, **changes}, plan)


def update_function_configuration(ctx: Ctx, request: Doc) -> Doc:
    """The function's configuration has what the request sets, in place of what it had."""
    of = rows.reference(ctx, request)
    row = rows.function(ctx.world, of)
    _check(row, request)
    configuration.check(request)
    images.check_config(row.doc["PackageType"], request)
    if request.get("Runtime"):
        runtimes.check(request["Runtime"])
    if request.get("Role"):
        configuration.check_role(ctx, request["Role"], of.arn)
    role = request.get("Role") or row.doc["Role"]
    sending.check_letters(ctx, role, request.get("DeadLetterConfig"))
    plan: Doc = {}
    shown: list[Doc] | None = None
    if request.get("Layers") is not None:
        attached = layers.attached(ctx, request["Layers"], of.arn)
        if held := plan_of(row).get("code"):
            layers.check_size(rows.packages(ctx.world).unzipped(held), attached)
        plan["layers"], shown = list(attached.packages), list(attached.shown)

    def change(doc: Doc) -> Doc:
        new = configuration.updated(doc, request)
        if shown is not None:
            new.pop("Layers", None)
            new |= {"Layers": shown} if shown else {}
        return new

    return _updated(ctx, of, request, change, plan)


def _check(row: Row, request: Doc) -> None:
    if request.get("RevisionId") not in (None, row.doc["RevisionId"]):
        raise faults.stale()
    versions.check_settled(row)


def _updated(
    ctx: Ctx, of: FunctionReference, request: Doc, change: Callable[[Doc], Doc], plan: Doc
) -> Doc:
    """The configuration of the function, whose update is in progress."""
    now = ctx.world.clock()

    def work(row: Row) -> Row:
        _check(row, request)  # as it is now
        before: Doc = {
            "doc": row.doc, "made": {k: v for k, v in row.plan.items() if k in _OF_CODE},
        }  # fmt: skip
        doc = change(row.doc) | configuration.UPDATING
        doc |= {"RevisionId": rows.revision(), "LastModified": configuration.stamp(now)}
        new = rows.with_plan(row, **plan, before=before, revision=rows.revision())
        return replace(new, doc=doc, due_at=now)

    row = rows.changed(ctx, of, work)
    if request.get("Publish"):
        made = versions.published(ctx, row, None, pending=True)
        ctx.world.wake()
        return configuration.shown(made.doc)
    ctx.world.wake()
    return configuration.shown(row.doc)
