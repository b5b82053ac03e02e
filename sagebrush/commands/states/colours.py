"""The colours of graphs, on light and on dark ground; text on them is readable (tested). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sagebrush.commands.states import tree as trees

OPEN = ""
"""Of a state that was not entered."""


@dataclass(frozen=True)
class Theme:
    """Hex colours of one ground. `boxes`: status -> (fill, border)."""

    ground: str
    ink: str
    faint: str
    line: str
    warm: str
    """Of ways by which errors are caught, and of errors."""
    inside: str
    """Of the inside of containers."""
    boxes: Mapping[str, tuple[str, str]]


LIGHT = Theme(
    ground="#ffffff",
    ink="#16202b",
    faint="#526070",
    line="#66788a",
    warm="#a8321f",
    inside="#f6f8fa",
    boxes={
        OPEN: ("#ffffff", "#9fb0c0"),
        trees.SUCCEEDED: ("#e2f4e7", "#2c8149"),
        trees.FAILED: ("#fde6e4", "#b3261e"),
        trees.TIMED_OUT: ("#fde6e4", "#b3261e"),
        trees.CAUGHT: ("#fdf1d3", "#9a6700"),
        trees.RUNNING: ("#e0efff", "#0b61b5"),
        trees.RETRYING: ("#fdf1d3", "#9a6700"),
        trees.ABORTED: ("#eee8f6", "#6b4a94"),
    },
)
DARK = Theme(
    ground="#12171d",
    ink="#eaf0f6",
    faint="#a3b1bf",
    line="#8293a4",
    warm="#ff9a86",
    inside="#182028",
    boxes={
        OPEN: ("#1a222b", "#5c6d7e"),
        trees.SUCCEEDED: ("#15331f", "#55c07a"),
        trees.FAILED: ("#451a18", "#ff7b72"),
        trees.TIMED_OUT: ("#451a18", "#ff7b72"),
        trees.CAUGHT: ("#3b2d0c", "#e3b341"),
        trees.RUNNING: ("#10304f", "#6cb6ff"),
        trees.RETRYING: ("#3b2d0c", "#e3b341"),
        trees.ABORTED: ("#2d2440", "#b997e8"),
    },
)


def style(scope: str) -> str:
    """CSS of both themes; the reader's system chooses. `scope` is the selector that has the colours."""
    dark = f"@media (prefers-color-scheme: dark) {{ {scope} {{ {_variables(DARK)} }} }}"
    return f"{scope} {{ {_variables(LIGHT)} }}\n{dark}"


def _variables(theme: Theme) -> str:
    plain = ("ground", "ink", "faint", "line", "warm", "inside")
    made = [f"--{name}: {getattr(theme, name)};" for name in plain]
    for status, (fill, border) in theme.boxes.items():
        word = css(status)
        made.append(f"--{word}: {fill}; --{word}-edge: {border};")
    return " ".join(made)


def css(status: str) -> str:
    """A status as a name in CSS: `timed-out`."""
    return status.lower().replace("_", "-") or "open"
