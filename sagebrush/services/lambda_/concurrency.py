"""Reserved and provisioned concurrency, and the account's settings.

Source: Lambda API reference; developer guide, "Configuring reserved concurrency for a function" and
"Configuring provisioned concurrency for a function"; "Lambda quotas".
"""

from __future__ import annotations

from dataclasses import replace

from sagebrush.access.function_references import LATEST, FunctionReference
from sagebrush.errors import AwsError, Doc
from sagebrush.services.lambda_ import (
    aliases,
    configuration,
    faults,
    limits,
    lists,
    permissions,
    provisioning,
    rows,
)
from sagebrush.services.lambda_.plan import plan_of
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx

PAGE = 50
PUBLISHED = "The function resource provided must be an alias or a published version."


def put_function_concurrency(ctx: Ctx, request: Doc) -> Doc:
    """So many executions are the function's own, and no more. Raises InvalidParameterValueException where
    too few would be left for the others."""
    of, wanted = rows.reference(ctx, request), request["ReservedConcurrentExecutions"]
    if of.qualifier:
        raise faults.invalid("This operation is permitted on Lambda functions only. Aliases and versions"
                             " do not support this operation. Please specify either a function name or"
                             " an unqualified function ARN.")  # fmt: skip

    def check(reader: Reader) -> None:
        others = _reserved(reader, of.account, of.region, of.name)
        if limits.CONCURRENT - others - wanted < limits.UNRESERVED:
            raise faults.invalid(
                "Specified ReservedConcurrentExecutions for function decreases account's"
                " UnreservedConcurrentExecution below its minimum value of"
                f" [{limits.UNRESERVED}]."
            )

    def change(row: Row) -> Row:
        provisioned = sum(e["requested"] for e in plan_of(row).get("provisioned", {}).values())
        if wanted < provisioned:
            raise faults.invalid(
                f"ReservedConcurrentExecutions  {wanted} should not be lower than function's total"
                f" provisioned concurrency [{provisioned}]."
            )
        return rows.with_plan(row, reserved=wanted)

    rows.changed(ctx, of, change, check)
    return {"ReservedConcurrentExecutions": wanted}


def _reserved(reader: Reader, account: str, region: str, but: str = "") -> int:
    found = reader.select(rows.FUNCTION, account=account)
    return sum(_own(row) for row in found if row.region == region and row.name != but)


def _own(row: Row) -> int:
    """Executions that no other function gets: the reserved ones, else the provisioned ones."""
    plan = plan_of(row)
    provisioned = sum(each["requested"] for each in plan.get("provisioned", {}).values())
    reserved = plan.get("reserved")
    return provisioned if reserved is None else reserved


def get_function_concurrency(ctx: Ctx, request: Doc) -> Doc:
    """What is reserved; nothing where nothing is."""
    row = rows.function(ctx.world, replace(rows.reference(ctx, request), qualifier=""))
    reserved = plan_of(row).get("reserved")
    return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}


def delete_function_concurrency(ctx: Ctx, request: Doc) -> None:
    """Nothing is reserved."""
    of = replace(rows.reference(ctx, request), qualifier="")
    rows.changed(ctx, of, lambda row: rows.with_plan(row, reserved=None))


def get_account_settings(ctx: Ctx, request: Doc) -> Doc:
    """The account's limits, and what it uses of them."""
    functions = rows.all_of(ctx.world, ctx.account, ctx.region)
    reserved = sum(map(_own, functions))
    return {
        "AccountLimit": {
            "TotalCodeSize": limits.STORAGE,
            "CodeSizeUnzipped": limits.UNZIPPED,
            "CodeSizeZipped": limits.ZIPPED,
            "ConcurrentExecutions": limits.CONCURRENT,
            "UnreservedConcurrentExecutions": limits.CONCURRENT - reserved,
        },
        "AccountUsage": {
            "TotalCodeSize": rows.stored(ctx.world, ctx.account, ctx.region),
            "FunctionCount": len(functions),
        },
    }


# ---- provisioned


def _provisionable(ctx: Ctx, request: Doc, latest: str) -> tuple[FunctionReference, Row]:
    """The version or alias, and the function's row; `latest` are the words for $LATEST."""
    of = rows.reference(ctx, request)
    if of.qualifier in ("", LATEST):
        raise faults.invalid(latest)
    row = rows.get(ctx.world.rows, of)
    if row is None:
        raise (
            faults.no_function(of.qualified)
            if of.qualifier.isdecimal()
            else aliases.no_alias(of, of.qualifier)
        )
    permissions.check_qualifier(ctx.world.rows, row, of)
    return of, row


def put_provisioned_concurrency_config(ctx: Ctx, request: Doc) -> Doc:
    """So many environments of the version will be kept ready. Raises InvalidParameterValueException."""
    words = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
    of, row = _provisionable(ctx, request, words)
    wanted = request["ProvisionedConcurrentExecutions"]
    reserved = plan_of(row).get("reserved")
    if reserved is not None and wanted > reserved:
        raise faults.invalid(
            "Requested Provisioned Concurrency should not be greater than the"
            " reservedConcurrentExecution for function"
        )
    made = {"requested": wanted, "modified": configuration.stamp(ctx.world.clock())}

    def change(row: Row) -> Row:
        held = plan_of(row).get("provisioned", {})
        _check_pointed(row, of.qualifier)
        return rows.with_plan(row, provisioned={**held, of.qualifier: made})

    def check(reader: Reader) -> None:
        if reserved is None:
            _check_left(reader, of, wanted)

    provisioning.changed(ctx.world, rows.changed(ctx, replace(of, qualifier=""), change, check))
    return {
        "RequestedProvisionedConcurrentExecutions": wanted,
        "AvailableProvisionedConcurrentExecutions": 0,
        "AllocatedProvisionedConcurrentExecutions": 0,
        "Status": "IN_PROGRESS",
        "LastModified": made["modified"],
    }


def _check_pointed(row: Row, qualifier: str) -> None:
    """Returns where no version would be provisioned by itself and by an alias; raises
    ResourceConflictException."""
    held = plan_of(row).get("provisioned", {})
    known = plan_of(row).get("aliases", {})
    if qualifier in known:
        if known[qualifier]["FunctionVersion"] in held:
            raise faults.conflict(
                "Alias can't be used for Provisioned Concurrency configuration on an already"
                " Provisioned version"
            )
    elif any(known[name]["FunctionVersion"] == qualifier for name in held if name in known):
        raise faults.conflict("Version is pointed by a Provisioned Concurrency alias")


def _check_left(reader: Reader, of: FunctionReference, wanted: int) -> None:
    """Returns where enough executions stay unreserved; raises InvalidParameterValueException. Those that
    are provisioned for a function without reserved ones count as reserved."""
    if wanted > limits.CONCURRENT:
        raise faults.invalid(
            "Specified ConcurrentExecutions for function is greater than account's unreserved"
            f" concurrency [{limits.CONCURRENT}]."
        )
    others = _reserved(reader, of.account, of.region)
    row = rows.get(reader, replace(of, qualifier=""))
    held = plan_of(row).get("provisioned", {}) if row else {}
    before = held[of.qualifier]["requested"] if of.qualifier in held else 0
    if limits.CONCURRENT - others + before - wanted < limits.UNRESERVED:
        raise faults.invalid(
            "Specified ConcurrentExecutions for function decreases account's"
            f" UnreservedConcurrentExecution below its minimum value of [{limits.UNRESERVED}]."
        )


def get_provisioned_concurrency_config(ctx: Ctx, request: Doc) -> Doc:
    """How many environments are asked for and ready. Raises
    ProvisionedConcurrencyConfigNotFoundException."""
    of, row = _provisionable(ctx, request, PUBLISHED)
    held = plan_of(row).get("provisioned", {}).get(of.qualifier)
    if held is None:
        raise AwsError(
            "ProvisionedConcurrencyConfigNotFoundException",
            "No Provisioned Concurrency Config found for this function",
            404,
            Type="User",
        )
    return _shown(ctx, row, of.qualifier, held)


def _shown(ctx: Ctx, row: Row, qualifier: str, held: Doc) -> Doc:
    ready, why = provisioning.ready(ctx.world, row, qualifier, held)
    status = "READY" if ready >= held["requested"] else "FAILED" if why else "IN_PROGRESS"
    return {
        **({"StatusReason": why} if status == "FAILED" else {}),
        "RequestedProvisionedConcurrentExecutions": held["requested"],
        "AvailableProvisionedConcurrentExecutions": ready,
        "AllocatedProvisionedConcurrentExecutions": ready,
        "Status": status,
        "LastModified": held["modified"],
    }


def list_provisioned_concurrency_configs(ctx: Ctx, request: Doc) -> Doc:
    """A page of the function's configurations."""
    of = replace(rows.reference(ctx, request), qualifier="")
    row = rows.function(ctx.world, of)
    found = [
        {"FunctionArn": f"{of.arn}:{qualifier}", **_shown(ctx, row, qualifier, held)}
        for qualifier, held in sorted(plan_of(row).get("provisioned", {}).items())
    ]
    return lists.page(found, "ProvisionedConcurrencyConfigs", request, PAGE)


def delete_provisioned_concurrency_config(ctx: Ctx, request: Doc) -> None:
    """No environments are kept ready for the version."""
    of, _ = _provisionable(ctx, request, PUBLISHED)

    def change(row: Row) -> Row:
        held = plan_of(row).get("provisioned", {})
        return rows.with_plan(row, provisioned={k: v for k, v in held.items() if k != of.qualifier})

    provisioning.changed(ctx.world, rows.changed(ctx, replace(of, qualifier=""), change))
