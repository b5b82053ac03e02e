"""What the policy of a layer version decides about another account's use of it.

Source: Lambda developer guide, "Granting Lambda layer access to other accounts".
"""

from __future__ import annotations

import json

from sagebrush.access import policy, principals
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

GET = "lambda:GetLayerVersion"


def lets_get(ctx: Ctx, row: Row | None, arn: str) -> bool:
    """Whether the layer version's policy lets the caller get it; not where there is none."""
    text = row.doc.get("Policy") if row is not None else None
    if not text:
        return False
    who = principals.principal(ctx.world, ctx.caller)
    keys = {name.lower(): value for name, value in principals.keys(ctx).items()}
    return policy.evaluate([json.loads(text)], ctx.caller.arn, GET, arn, keys, who).allowed
