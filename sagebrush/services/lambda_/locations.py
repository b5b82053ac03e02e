"""Where the code of functions and layers can be fetched: links of this server that work for ten minutes.

Source: Lambda API reference, FunctionCodeLocation. AWS presigns a URL of a bucket of its own; here the
link is sealed by the data directory's key and answered by the page `/_sagebrush/code/`.
"""

from __future__ import annotations

import json

from sagebrush.errors import Doc
from sagebrush.services.lambda_ import images
from sagebrush.services.lambda_.plan import plan_of
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

SECONDS = 600
PURPOSE = b"function code"
PAGE = "/_sagebrush/code/"


def of_function(ctx: Ctx, row: Row) -> Doc:
    """FunctionCodeLocation of the function's or version's code."""
    plan = plan_of(row)
    if plan.get("image"):
        return images.location(row)
    return {"RepositoryType": "S3", "Location": link(ctx, plan.get("code", ""))}


def link(ctx: Ctx, sha256: str) -> str:
    """The URL of the package, on the host by which the caller reached this server."""
    until = int(ctx.world.clock()) + SECONDS
    token = ctx.world.credentials.seal(PURPOSE, json.dumps([sha256, until]).encode())
    return f"{origin(ctx)}{PAGE}{token}"


def origin(ctx: Ctx) -> str:
    """Scheme and host by which the caller reached this server."""
    host = ctx.origin.header("host") if ctx.origin else None
    if ctx.origin is None or not host:
        return f"http://localhost:{ctx.world.ports[0]}"
    return f"{'https' if ctx.origin.secure else 'http'}://{host}"
