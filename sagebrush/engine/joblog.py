"""What a job's log tells: metric values by the job's regular expressions, and its last traceback."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from sagebrush.compute.base import Backend, LogLine
from sagebrush.world import Doc

LINE = 4096
"""Characters of a line that a regular expression sees."""
TAIL = 64 * 1024
"""Bytes at the end of a log in which a traceback is looked for."""


def compiled(definitions: Iterable[Doc]) -> list[tuple[str, re.Pattern[str]]]:
    """Name and pattern of each metric definition; raises re.error, whose text names the metric."""
    found = []
    for definition in definitions:
        try:
            found.append((definition["Name"], re.compile(definition["Regex"])))
        except re.error as error:
            raise re.error(f"{definition['Name']}: {error}") from error
    return found


def values(
    lines: Iterable[LogLine], patterns: Sequence[tuple[str, re.Pattern[str]]]
) -> list[tuple[str, float, float]]:
    """(metric, seconds since the epoch, value) for each line in which a pattern's first group is
    a finite number."""
    found = []
    for line in lines:
        for name, pattern in patterns:
            m = pattern.search(line.text[:LINE])
            if m is None:
                continue
            try:
                value = float(m.group(1) if pattern.groups else m.group(0))
            except (TypeError, ValueError):
                continue
            if math.isfinite(value):
                found.append((name, line.ms / 1000, value))
    return found


def tail(backend: Backend, key: str, seen: int) -> list[str]:
    """The last lines of the log of `key`; `seen` is an offset near its end, where known."""
    offset, text = max(0, seen - TAIL), []
    while lines := backend.logs(key, offset):
        text = [*text, *(line.text for line in lines)][-400:]
        offset = lines[-1].offset + 1
    return text


def traceback_of(lines: Sequence[str]) -> str:
    """The last Python traceback in `lines`, from its end backwards; else the last line with text."""
    starts = [i for i, line in enumerate(lines) if line.startswith("Traceback (most recent call")]
    if starts:
        block = list(lines[starts[-1] :])
        end = 1
        while end < len(block) and (block[end].startswith((" ", "\t")) or not block[end].strip()):
            end += 1
        return "\n".join(block[: end + 1])
    return next((line for line in reversed(lines) if line.strip()), "")
