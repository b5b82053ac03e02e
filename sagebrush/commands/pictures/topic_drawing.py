"""Draws topics that JSON describes: `topic_drawing.py TOPICS.json OUT.png`. Imports nothing of ours."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

Doc = dict[str, Any]
INK, TEXT, MUTED = "#2f6f9f", "#1c2733", "#5b6b7b"
COLUMNS, WORDS = 5, 8


def main(data: Path, out: Path) -> None:
    """The picture is in `out`: the map of the topics, and the top words of each as bars."""
    # found where jobs run, not beside the server
    import matplotlib  # pyright: ignore[reportMissingImports]

    matplotlib.use("Agg")
    from matplotlib import pyplot  # pyright: ignore[reportMissingImports]

    content: Doc = json.loads(data.read_text())
    rows = math.ceil(len(content["topics"]) / COLUMNS)
    above, each = 6.5, 1.75
    figure = pyplot.figure(figsize=(13, above + each * rows), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=[above, each * rows])
    figure.suptitle(content["title"], fontsize=13, x=0.01, ha="left", color=TEXT)
    _map(upper.subplots(), content)
    grid = lower.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, number in zip(grid, content["order"], strict=False):
        _words(axes, number, content["topics"][number])
    figure.savefig(out, dpi=100, format="png")


def _map(axes: Any, content: Doc) -> None:
    topics, order = content["topics"], content["order"]
    most = max((topic["share"] for topic in topics), default=0) or 1
    places = [content["places"][n] for n in order]
    sizes = [60 + 1600 * topics[n]["share"] / most for n in order]
    axes.scatter(
        [x for x, _ in places], [y for _, y in places], s=sizes, color=INK, alpha=0.45,
        edgecolors="white", linewidths=1,
    )  # fmt: skip
    for number, (x, y) in zip(order, places, strict=True):
        axes.annotate(str(number), (x, y), ha="center", va="center", fontsize=8, color=TEXT)
    axes.set_title(
        "Distances between topics (Jensen-Shannon)", fontsize=10, loc="left", color=MUTED
    )
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.margins(0.12)


def _words(axes: Any, number: int, topic: Doc) -> None:
    words = topic["words"][:WORDS][::-1]
    axes.set_axis_on()
    axes.barh(range(len(words)), [weight for _, weight in words], color=INK, height=0.6)
    # A word may hold a dollar sign, which is no formula.
    labels = [word[:18].replace("$", r"\$") for word, _ in words]
    axes.set_yticks(range(len(words)), labels, fontsize=7)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_title(f"Topic {number}  {topic['share']:.1%}", fontsize=8, loc="left", color=MUTED)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
