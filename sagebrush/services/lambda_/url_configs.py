"""Function URLs: their configurations. Source: Lambda API reference, CreateFunctionUrlConfig; developer
guide, "Creating and managing Lambda function URLs". `gates.function_urls` answers at them."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable
from dataclasses import replace

from sagebrush.access.function_references import LATEST, FunctionReference
from sagebrush.errors import AwsError, Doc
from sagebrush.services.lambda_ import configuration, faults, lists, locations, rows
from sagebrush.services.lambda_.plan import plan_of
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

PAGE = 50
_LETTERS = string.ascii_lowercase + string.digits
_MEMBERS = ("AuthType", "Cors", "InvokeMode")


def create_function_url_config(ctx: Ctx, request: Doc) -> Doc:
    """The function, or the alias, has a URL. Raises ResourceConflictException (409) where it has one."""
    of = _alias(ctx, request)
    now = configuration.stamp(ctx.world.clock())
    made: Doc = {
        "id": "".join(secrets.choice(_LETTERS) for _ in range(32)),
        "InvokeMode": "BUFFERED",
        **{name: request[name] for name in _MEMBERS if request.get(name) is not None},
        "CreationTime": now,
        "LastModifiedTime": now,
    }

    def change(row: Row) -> Row:
        held = plan_of(row).get("urls", {})
        _check_alias(row, of)
        if of.qualifier in held:
            raise faults.conflict(
                "Failed to create function url config for [functionArn ="
                f" {of.qualified}]. Error message:  FunctionUrlConfig exists for this Lambda function"
            )
        return rows.with_plan(row, urls={**held, of.qualifier: made})

    if rows.get(ctx.world.rows, of) is None:
        raise faults.missing("Function does not exist")
    rows.changed(ctx, replace(of, qualifier=""), change)
    return shown(ctx, of, made)


def _alias(ctx: Ctx, request: Doc) -> FunctionReference:
    """The function or alias; a URL has no version, and no $LATEST by that name."""
    of = rows.reference(ctx, request)
    if of.qualifier == LATEST or of.qualifier.isdecimal():
        raise faults.validation(
            f"Value '{of.qualifier}' at 'qualifier' failed to satisfy constraint: Member must satisfy"
            " regular expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)"
        )
    return of


def _check_alias(row: Row, of: FunctionReference) -> None:
    if of.qualifier and of.qualifier not in plan_of(row).get("aliases", {}):
        raise faults.missing("Function does not exist")


def shown(ctx: Ctx, of: FunctionReference, held: Doc) -> Doc:
    """The configuration as operations answer it."""
    found = {name: value for name, value in held.items() if name != "id"}
    return {**found, "FunctionUrl": url(ctx, of.region, held["id"]), "FunctionArn": of.qualified}


def url(ctx: Ctx, region: str, number: str) -> str:
    """The URL: a host of this server's own for it, by the port that the caller used."""
    scheme, _, host = locations.origin(ctx).partition("://")
    _, colon, port = host.rpartition(":")
    at = f":{port}" if colon and port.isdecimal() else ""
    return f"{scheme}://{number}.lambda-url.{region}.localhost{at}/"


def get_function_url_config(ctx: Ctx, request: Doc) -> Doc:
    """The configuration. Raises ResourceNotFoundException."""
    of = _alias(ctx, request)
    row = rows.get(ctx.world.rows, of)
    held = plan_of(row).get("urls", {}).get(of.qualifier) if row else None
    if held is None:
        raise _missing()
    return shown(ctx, of, held)


def _missing() -> AwsError:
    return faults.missing("The resource you requested does not exist.")


def _changed(ctx: Ctx, of: FunctionReference, change: Callable[[Row], Row]) -> None:
    """The function's row is changed; raises ResourceNotFoundException where there is no function."""
    row = rows.get(ctx.world.rows, of)
    if row is None or ctx.world.rows.update(row.id, change) is None:
        raise _missing()


def list_function_url_configs(ctx: Ctx, request: Doc) -> Doc:
    """A page of the configurations of the function and its aliases."""
    of = replace(rows.reference(ctx, request), qualifier="")
    row = rows.get(ctx.world.rows, of)
    if row is None:
        raise faults.missing("Function does not exist")
    held = plan_of(row).get("urls", {})
    found = [shown(ctx, replace(of, qualifier=name), each) for name, each in sorted(held.items())]
    return lists.page(found, "FunctionUrlConfigs", request, PAGE)


def update_function_url_config(ctx: Ctx, request: Doc) -> Doc:
    """The configuration has what the request sets. Raises ResourceNotFoundException."""
    of, made = _alias(ctx, request), dict[str, Doc]()
    given = {name: request[name] for name in _MEMBERS if request.get(name) is not None}

    def change(row: Row) -> Row:
        held = plan_of(row).get("urls", {})
        if of.qualifier not in held:
            raise _missing()
        now = configuration.stamp(ctx.world.clock())
        made["config"] = {**held[of.qualifier], **given, "LastModifiedTime": now}
        return rows.with_plan(row, urls={**held, of.qualifier: made["config"]})

    _changed(ctx, of, change)
    return shown(ctx, of, made["config"])


def delete_function_url_config(ctx: Ctx, request: Doc) -> None:
    """There is no URL. Raises ResourceNotFoundException where there was none."""
    of = _alias(ctx, request)

    def change(row: Row) -> Row:
        held = plan_of(row).get("urls", {})
        if of.qualifier not in held:
            raise _missing()
        return rows.with_plan(row, urls={k: v for k, v in held.items() if k != of.qualifier})

    _changed(ctx, of, change)
