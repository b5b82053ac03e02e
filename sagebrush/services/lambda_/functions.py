"""Functions: created, shown, listed, deleted. Source: Lambda API reference."""

from __future__ import annotations

from dataclasses import replace

from sagebrush.access.function_references import FUNCTION, LATEST, FunctionReference
from sagebrush.errors import AwsError, Doc
from sagebrush.services.lambda_ import (
    code,
    configuration,
    faults,
    images,
    layers,
    lists,
    locations,
    rows,
    runtimes,
    sending,
    tagging,
    versions,
)
from sagebrush.services.lambda_.plan import plan_of
from sagebrush.store.changes import Changes, together
from sagebrush.store.rows import Exists, Reader, Row
from sagebrush.world import Ctx

PAGE = 50


def create_function(ctx: Ctx, request: Doc) -> Doc:
    """The function exists, pending; with Publish also its first version, whose configuration is
    answered. Raises InvalidParameterValueException, ResourceConflictException (409)."""
    of = _new(ctx, request)
    configuration.check(request)
    image = _check_package(request)
    images.check_config("Image" if image else "Zip", request)
    if not image:
        runtimes.check(request["Runtime"])
    tags = tagging.checked(request.get("Tags") or {})
    configuration.check_role(ctx, request["Role"], of.arn)
    sending.check_letters(ctx, request["Role"], request.get("DeadLetterConfig"))
    doc = configuration.created(of.name, of.arn, request)
    attached = layers.attached(ctx, request.get("Layers") or [], of.arn)
    if rows.get(ctx.world.rows, of) is not None:
        raise _exists(of)
    doc, plan = _with_code(ctx, doc, request["Code"], attached)
    now = ctx.world.clock()
    doc |= {k: v for k, v in configuration.PENDING.items() if v is not None}
    doc |= {"RevisionId": rows.revision(), "LastModified": configuration.stamp(now)}
    plan |= {"tags": tags, "revision": rows.revision()}
    row = Row(of.account, of.region, FUNCTION, of.name, "Pending", doc, plan, due_at=now)
    try:
        stored = ctx.world.rows.insert(row)
    except Exists:
        raise _exists(of) from None
    if request.get("Publish"):
        made = versions.published(ctx, stored, "", pending=True)
        ctx.world.wake()
        return configuration.shown(made.doc) | {"FunctionArn": of.arn}
    ctx.world.wake()
    return configuration.shown(stored.doc)


def _new(ctx: Ctx, request: Doc) -> FunctionReference:
    of = rows.reference(ctx, request)
    if of.qualifier:
        raise faults.validation(
            f"Value '{request['FunctionName']}' at 'functionName' failed to satisfy constraint: Member"
            " must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?"
            "((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?"
            "([a-zA-Z0-9-_]+)"
        )
    if len(of.name) > 64:
        raise faults.invalid(
            f"1 validation error detected: Value '{of.name}' at 'functionName' failed to satisfy"
            " constraint: Member must have length less than or equal to 64"
        )
    return of


def _check_package(request: Doc) -> bool:
    """Whether the function is an image; raises InvalidParameterValueException for what does not fit."""
    given = request["Code"]
    if request.get("PackageType", "Zip") == "Image":
        if any(request.get(each) for each in ("Runtime", "Handler", "Layers")):
            raise faults.invalid(
                "Please don't provide Handler or Runtime or Layer when the intended function"
                " PackageType is Image."
            )
        if not given.get("ImageUri"):
            raise faults.invalid(
                "Please provide ImageUri when creating a function with packageType Image."
            )
        return True
    if given.get("ImageUri"):
        raise faults.invalid(
            "Please do not provide ImageUri when creating a function with packageType Zip."
        )
    if not request.get("Runtime") or not request.get("Handler"):
        raise faults.invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment"
            " packages."
        )
    return False


def _exists(of: FunctionReference) -> AwsError:
    return faults.conflict(f"Function already exist: {of.name}")


def _with_code(ctx: Ctx, doc: Doc, given: Doc, attached: layers.Attached) -> tuple[Doc, Doc]:
    """Document and plan with the code that is given. Raises InvalidParameterValueException."""
    plan: Doc = {"code": ""}
    if given.get("ImageUri"):
        shown, pinned = images.taken(ctx, given["ImageUri"])
        return doc | shown, {k: v for k, v in pinned.items() if v is not None}
    package = code.taken(ctx, given)
    layers.check_size(package.unzipped, attached)
    doc = doc | {"CodeSha256": code.sha256(package), "CodeSize": package.size}
    if attached.shown:
        doc["Layers"] = list(attached.shown)
    return doc, plan | {"code": package.sha256, "layers": list(attached.packages)}


# ---- shown


def get_function(ctx: Ctx, request: Doc) -> Doc:
    """The function's configuration, where its code can be fetched, its tags and reserved concurrency."""
    of = rows.reference(ctx, request, abroad=True)
    found = rows.resolve(ctx.world, of)
    plan = plan_of(found.function)
    answer: Doc = {
        "Configuration": _shown(found, of),
        "Code": locations.of_function(ctx, found.row),
    }
    if tags := plan.get("tags"):
        answer["Tags"] = tags
    if "reserved" in plan and found.alias is None:
        answer["Concurrency"] = {"ReservedConcurrentExecutions": plan["reserved"]}
    return answer


def get_function_configuration(ctx: Ctx, request: Doc) -> Doc:
    """The configuration of the function, or of the version that the qualifier names."""
    of = rows.reference(ctx, request, abroad=True)
    return _shown(rows.resolve(ctx.world, of), of)


def _shown(found: rows.Found, of: FunctionReference) -> Doc:
    """A function that is asked for by a qualifier has it in its ARN."""
    if found.row is found.function:
        return configuration.shown(found.doc, qualified=of.qualifier)
    shown = configuration.shown(found.doc)
    if found.alias is not None:
        shown["FunctionArn"] = of.qualified
    return shown


def list_functions(ctx: Ctx, request: Doc) -> Doc:
    """A page of the account's functions, by name; with FunctionVersion ALL also of their versions."""
    if request.get("MasterRegion") not in (None, "ALL", ctx.region):
        return {"Functions": []}
    found: list[Doc] = []
    for row in rows.all_of(ctx.world, ctx.account, ctx.region):
        if request.get("FunctionVersion") == "ALL":
            found.append(lists.listed(configuration.shown(row.doc, qualified=LATEST)))
            found += [
                lists.listed(configuration.shown(v.doc)) for v in rows.versions(ctx.world.rows, row)
            ]
        else:
            found.append(lists.listed(configuration.shown(row.doc)))
    return lists.page(found, "Functions", request, PAGE)


# ---- deleted


def delete_function(ctx: Ctx, request: Doc) -> Doc:
    """The function with its versions and aliases is gone; with a qualifier that version alone.

    Raises ResourceNotFoundException, InvalidParameterValueException for $LATEST, and
    ResourceConflictException for a version that an alias points to.
    """
    of = rows.reference(ctx, request)
    if of.qualifier == LATEST:
        raise faults.invalid("$LATEST version cannot be deleted without deleting the function.")
    row = rows.function(ctx.world, replace(of, qualifier=""))
    if of.qualifier:
        _delete_version(ctx, row, of)
        return {"StatusCode": 204}

    def work(changes: Changes) -> list[Row]:
        gone = [row, *rows.versions(changes, row)]
        for each in gone:
            changes.delete(each)
        return gone

    versions.forget(ctx.world, together(ctx.world.db, ctx.world.rows, work))
    return {"StatusCode": 204}


def _delete_version(ctx: Ctx, row: Row, of: FunctionReference) -> None:
    if not of.qualifier.isdecimal():
        raise faults.invalid("Deletion of aliases is not currently supported.")
    found = rows.version(ctx.world, row, of.qualifier)
    if found is None:
        return

    def check(_: Row, reader: Reader) -> None:
        now = reader.by_id(row.id)
        for alias in plan_of(now).get("aliases", {}).values() if now else ():
            others = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
            if of.qualifier == alias["FunctionVersion"] or of.qualifier in others:
                raise faults.conflict(
                    f"Version {of.qualifier} is currently being referenced by one or more aliases."
                )

    ctx.world.rows.delete(found.id, check)
    versions.forget(ctx.world, [found])
