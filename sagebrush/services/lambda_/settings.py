"""Settings of functions that change nothing of how Sagebrush runs them, or of what it has one form: runtime
management, recursion, code signing, tags. Source: Lambda API reference."""

from __future__ import annotations

from dataclasses import replace

from sagebrush.access.function_references import LATEST, FunctionReference
from sagebrush.aws.names import Arn
from sagebrush.errors import Doc
from sagebrush.services.lambda_ import faults, mappings, permissions, rows, tagging
from sagebrush.services.lambda_.plan import plan_of
from sagebrush.store.rows import Row
from sagebrush.world import Ctx


def get_runtime_management_config(ctx: Ctx, request: Doc) -> Doc:
    """When the function's runtime is updated. Raises ResourceNotFoundException."""
    of, row = _version(ctx, request)
    held = plan_of(row).get("management", {}).get(of.qualifier or LATEST)
    return held or {"UpdateRuntimeOn": "Auto", "FunctionArn": f"{of.arn}:{of.qualifier or LATEST}"}


def put_runtime_management_config(ctx: Ctx, request: Doc) -> Doc:
    """When the function's runtime is updated is kept and answered: Sagebrush has one version of each."""
    of, _ = _version(ctx, request)
    mode, arn = request["UpdateRuntimeOn"], request.get("RuntimeVersionArn")
    if mode == "Manual" and not arn:
        raise faults.invalid(
            "You must specify a valid runtime version ARN when update-runtime-on is set to 'Manual'."
        )
    if mode != "Manual" and arn:
        raise faults.invalid(
            "You can't specify a runtime version ARN when update-runtime-on is not set to 'Manual'."
        )
    qualifier = of.qualifier or LATEST
    made: Doc = {"UpdateRuntimeOn": mode, "FunctionArn": f"{of.arn}:{qualifier}"}
    made |= {"RuntimeVersionArn": arn} if arn else {}

    def change(row: Row) -> Row:
        held = plan_of(row).get("management", {})
        return rows.with_plan(row, management={**held, qualifier: made})

    rows.changed(ctx, replace(of, qualifier=""), change)
    return made


def _version(ctx: Ctx, request: Doc) -> tuple[FunctionReference, Row]:
    of = rows.reference(ctx, request)
    row = rows.function(ctx.world, replace(of, qualifier=""))
    permissions.check_qualifier(ctx.world.rows, row, of)
    return of, row


def get_function_recursion_config(ctx: Ctx, request: Doc) -> Doc:
    """What becomes of a function that invokes itself through a queue or a topic."""
    row = rows.function(ctx.world, replace(rows.reference(ctx, request), qualifier=""))
    return {"RecursiveLoop": plan_of(row).get("recursion", "Terminate")}


def put_function_recursion_config(ctx: Ctx, request: Doc) -> Doc:
    """It is set."""
    of, wanted = replace(rows.reference(ctx, request), qualifier=""), request["RecursiveLoop"]
    rows.changed(ctx, of, lambda row: rows.with_plan(row, recursion=wanted))
    return {"RecursiveLoop": wanted}


def get_function_code_signing_config(ctx: Ctx, request: Doc) -> Doc:
    """No code signing configuration: no function has one. Raises ResourceNotFoundException."""
    of = replace(rows.reference(ctx, request), qualifier="")
    rows.function(ctx.world, of)
    return {}


# ---- tags


def list_tags(ctx: Ctx, request: Doc) -> Doc:
    """The tags of the function or event source mapping."""
    return {"Tags": dict(plan_of(_tagged(ctx, request["Resource"])).get("tags", {}))}


def tag_resource(ctx: Ctx, request: Doc) -> None:
    """The tags are added, in place of those of the same keys."""
    _change_tags(ctx, request, lambda held: tagging.checked({**held, **request["Tags"]}))


def untag_resource(ctx: Ctx, request: Doc) -> None:
    """The tags of those keys are gone."""
    gone = set(request["TagKeys"])
    _change_tags(ctx, request, lambda held: {k: v for k, v in held.items() if k not in gone})


def _tagged(ctx: Ctx, arn: str) -> Row:
    """The row of what has that ARN; raises InvalidParameterValueException and
    ResourceNotFoundException."""
    named = Arn.parse(arn)
    kind, _, name = (named.resource if named else "").partition(":")
    if named is None or kind not in ("function", "event-source-mapping"):
        raise faults.invalid(f"The resource type of {arn} can have no tags here.")
    if named.region != ctx.region or named.account != ctx.account:
        raise faults.missing(f"Function not found: {arn}")
    if kind == "event-source-mapping":
        return mappings.find_mapping(ctx, name)
    if ":" in name:
        raise faults.invalid(
            "Tags on function aliases and versions are not supported. Please specify a function ARN."
        )
    return rows.function(ctx.world, FunctionReference(named.account, named.region, name))


def _change_tags(ctx: Ctx, request: Doc, change: tagging.Change) -> None:
    row = _tagged(ctx, request["Resource"])

    def work(row: Row) -> Row:
        new = rows.with_plan(row, tags=change(plan_of(row).get("tags", {})))
        changed = {"RevisionId": rows.revision()} if row.kind == rows.FUNCTION else {}
        return replace(new, doc={**new.doc, **changed})

    ctx.world.rows.update(row.id, work)
