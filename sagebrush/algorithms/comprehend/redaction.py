"""A document without its personal data.

Source: Amazon Comprehend developer guide, "Redacting PII entities with asynchronous jobs" and "Detecting
PII entities": characters are masked one by one, and the spaces of an entity stay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

ALL = "ALL"
MASK = "*"


def redact(text: str, entities: Iterable[Mapping[str, Any]], config: Mapping[str, Any]) -> str:
    """The text with each entity of the wanted types masked, or replaced by `[TYPE]`.

    `entities` are as DetectPiiEntities answers them, with offsets in code points; of those that overlap, the
    first is replaced, and what others have beside it is masked or replaced too. `config` is a
    RedactionConfig.
    """
    replaces = config.get("MaskMode", "MASK") == "REPLACE_WITH_PII_ENTITY_TYPE"
    mask = config.get("MaskCharacter", MASK)
    parts, done = [], 0
    for begin, end, kind in _wanted(entities, config["PiiEntityTypes"]):
        if end <= done:
            continue
        begin = max(begin, done)
        parts.append(text[done:begin])
        parts.append(f"[{kind}]" if replaces else _masked(text[begin:end], mask))
        done = end
    return "".join((*parts, text[done:]))


def _wanted(
    entities: Iterable[Mapping[str, Any]], types: Collection[str]
) -> list[tuple[int, int, str]]:
    """(begin, end, type) of those that are to be redacted, in the order of the text."""
    return sorted(
        (each["BeginOffset"], each["EndOffset"], each["Type"])
        for each in entities
        if ALL in types or each["Type"] in types
    )


def _masked(text: str, mask: str) -> str:
    return "".join(each if each.isspace() else mask for each in text)
