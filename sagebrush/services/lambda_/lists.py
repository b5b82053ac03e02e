"""Pages of Lambda's lists, and what lists leave out of configurations."""

from __future__ import annotations

from sagebrush.engine.kinds import paginate
from sagebrush.errors import Doc


def listed(doc: Doc) -> Doc:
    """Lists leave the state out (API reference, ListFunctions)."""
    left = ("State", "StateReason", "StateReasonCode", "LastUpdateStatus", "RuntimeVersionConfig",
            "LastUpdateStatusReason", "LastUpdateStatusReasonCode")  # fmt: skip
    return {name: value for name, value in doc.items() if name not in left}


def page(found: list[Doc], member: str, request: Doc, most: int) -> Doc:
    """The page of the list that the request's Marker and MaxItems ask for."""
    size = min(request.get("MaxItems") or most, most)
    items, token = paginate(found, request.get("Marker"), size)
    return {member: items, **({"NextMarker": token} if token else {})}
