"""Reads a job's log: metric values by the job's regular expressions, and its last traceback."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import regex

from sagebrush.compute import record
from sagebrush.compute.base import Backend, LogLine
from sagebrush.errors import Doc
from sagebrush.toolkit.training.reasons import ECHO
from sagebrush.workload import expressions
from sagebrush.workload.expressions import Pattern

log = logging.getLogger(__name__)

LINE = 4096
"""Characters of a line that a regular expression sees."""
TAB = "#011"
"""What a tab is in the logs of AWS's jobs, and so in expressions that are written for them."""
TRACEBACK = "Traceback (most recent call"
WRAPPER = "CalledProcessError"
"""What a launcher raises when the user's script, its child, has failed."""
LAUNCHERS = (WRAPPER, "ChildFailedError")
"""The same of all launchers: SDK v3's and torchrun."""
_RANK = regex.compile(r"^(?:\[\d+,\d+\]<std(?:err|out)>:)?(?:\[rank\d+\]: ?)?")
"""What mpirun and torch put before the lines of one of several processes."""
EXCEPTION = regex.compile(
    r"[\w.]*(?:Error|Exception|Exit|Interrupt|Failure|Warning|Fault)\b(?::|$)"
)
MESSAGE = 8
"""Lines that an exception's message may have after its first."""
OWN = "Sagebrush: "
"""What the platform's own lines begin with."""
TAIL = 64 * 1024
"""Bytes at the end of a log in which a traceback is looked for."""


def compiled(definitions: Iterable[Doc]) -> list[tuple[str, Pattern]]:
    """Name and pattern of each metric definition; raises ValueError, whose text names the metric."""
    found = []
    for definition in definitions:
        try:
            found.append((definition["Name"], expressions.compiled(definition["Regex"])))
        except ValueError as error:
            raise ValueError(f"{definition['Name']}: {error}") from error
    return found


def values(
    lines: Iterable[LogLine], patterns: Sequence[tuple[str, Pattern]]
) -> list[tuple[str, float, float]]:
    """(metric, seconds since the epoch, value) for each line in which a pattern's first group is
    a finite number. A pattern that takes too long on a line is left out for the lines after it."""
    found, patterns = [], list(patterns)
    for line in lines:
        text = line.text[:LINE]
        for name, pattern in list(patterns):
            try:
                m = expressions.search(pattern, text)
                if m is None and "\t" in text:
                    m = expressions.search(pattern, text.replace("\t", TAB)[:LINE])
            except TimeoutError:
                log.warning("the regular expression of the metric %s takes too long", name)
                patterns.remove((name, pattern))
                continue
            value = _number(m) if m else None
            if value is not None:
                found.append((name, line.ms / 1000, value))
    return found


def _number(m: regex.Match[str]) -> float | None:
    """The first group, or all of the match, as a finite number; None when it is none."""
    try:
        value = float(m.group(1) if m.re.groups else m.group(0))
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def tail(backend: Backend, key: str, seen: int) -> list[str]:
    """The last lines of the log of `key`; `seen` is an offset near its end, where known."""
    offset, text = max(0, seen - TAIL), []
    while lines := backend.logs(key, offset):
        text = [*text, *(line.text for line in lines)][-400:]
        offset = lines[-1].offset + 1
    return text


def append(root: Path, limit: int, lines: Sequence[str], now: float) -> None:
    """The log of the job in `root`, which has ended, goes on with `lines` of the platform's own.

    `limit` as in its Spec; `now` in seconds. A log that cannot be written is left as it is.
    """
    text = "".join(f"{OWN}{line}\n" for line in lines)
    try:
        record.append(root, limit, text, int(now * 1000))
    except OSError:
        log.exception("the log of %s could not be written: %s", root.name, text)


def traceback_of(lines: Sequence[str]) -> str:
    """The last Python traceback in `lines`, from its first line to the exception.

    One that only reports a failed child (`CalledProcessError`, torchrun's `ChildFailedError`)
    gives way to the child's own. Else the last line with text, which the platform did not write.
    """
    parts = [(m.group(), line[m.end() :]) for line in lines if (m := _RANK.match(line))]
    found = [
        _block([text for whose, text in parts[i:] if whose == rank])
        for i, (rank, line) in enumerate(parts)
        if line.lstrip().startswith(TRACEBACK)
    ]
    own = [block for block in found if not _of_launcher(block)]
    # Of several processes the first failure makes the others fail.
    cause = [block for block in own if not echo("\n".join(block))]
    if len({rank for rank, _ in parts if rank}) > 1 and cause:
        return "\n".join(cause[-1])
    if own or found:
        return "\n".join((own or found)[-1])
    last = (line for line in reversed(lines) if line.strip() and not line.startswith(OWN))
    return next(last, "")


def echo(traceback: str) -> bool:
    """Whether `traceback` only says that another process has ended, whose own traceback counts."""
    return bool(ECHO.search(traceback.rpartition("\n")[2]))


def _of_launcher(block: Sequence[str]) -> bool:
    """Whether the exception that ends the traceback `block` is a launcher's."""
    raised = next((line for line in reversed(block) if EXCEPTION.match(line)), block[-1])
    return raised.partition(":")[0].rpartition(".")[2] in LAUNCHERS


def _block(lines: Sequence[str]) -> list[str]:
    """The traceback that `lines` begin with. Launchers may have stripped its indentation."""
    for end, line in enumerate(lines[1:], 1):
        if EXCEPTION.match(line):
            return [*lines[: end + 1], *_message(lines[end:])]
        if line.startswith(TRACEBACK):
            return list(lines[:end])
    for end, line in enumerate(lines[1:], 1):
        if line.strip() and not line.startswith((" ", "\t")):
            return list(lines[: end + 1])
    return list(lines)


def _message(lines: Sequence[str]) -> list[str]:
    """The further lines of the exception that `lines` begin with, where its first announces them."""
    if not lines[0].rstrip().endswith(":"):
        return []
    rest = lines[1 : 1 + MESSAGE]
    end = next((i for i, line in enumerate(rest) if not line.strip() or TRACEBACK in line), None)
    return list(rest[:end])
