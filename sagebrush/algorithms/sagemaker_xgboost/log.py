"""The log of a training job, in the form of AWS's container."""

from __future__ import annotations

import time

TAB = "#011"
"""A tab, as it stands in AWS's logs, which metrics' regular expressions count on."""


def info(text: str) -> None:
    """One line of information, with its time."""
    _line("INFO", text)


def warning(text: str) -> None:
    """One line of warning, with its time."""
    _line("WARNING", text)


def _line(level: str, text: str) -> None:
    stamp = time.strftime("%Y-%m-%d:%H:%M:%S", time.gmtime())
    print(f"[{stamp}:{level}] {text}", flush=True)
