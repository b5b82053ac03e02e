"""Filter criteria of event source mappings: which messages a function gets. Pure.

A filter is read and matched as EventBridge's patterns are (`sagebrush.patterns`). Source: Lambda developer
guide, "Control which events Lambda sends to your function" (filter rule syntax) and "Using event filtering
with an Amazon SQS event source".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sagebrush.errors import Doc
from sagebrush.patterns.conditions import Branch
from sagebrush.patterns.matching import leaves, matches
from sagebrush.patterns.reading import read
from sagebrush.patterns.tokens import PatternError

BODY = "body"
Filter = Sequence[Branch]
"""What one filter asks: all of one of the branches."""


class Unusable(ValueError):
    """The text is no pattern that could be matched."""


def parse(text: str) -> Filter:
    """The filter in `text`; raises Unusable."""
    try:
        return read(text)
    except (PatternError, RecursionError) as error:
        raise Unusable(str(error)) from error


def accepts(filters: Iterable[Filter], message: Doc) -> bool:
    """Whether the message, as the function would get it, passes: one of the filters holds, or there are
    none. A body that a filter looks into is read as JSON; one that is no JSON object does not pass."""
    asked = [branch for each in filters for branch in each]
    within = [branch for branch in asked if any(path.startswith(f"{BODY}.") for path in branch)]
    beside = [branch for branch in asked if branch not in within]
    if not asked or (beside and matches(beside, leaves(message))):
        return True
    if not within:
        return False
    try:
        body: Any = json.loads(message[BODY])
    except (ValueError, RecursionError):
        return False
    return isinstance(body, dict) and matches(within, leaves({**message, BODY: body}))
