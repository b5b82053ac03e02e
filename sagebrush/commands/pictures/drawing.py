"""Draws a picture that JSON describes: `drawing.py PICTURE.json OUT.png`. Imports nothing of ours."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

Doc = dict[str, Any]
DAY = 86400


def main(data: Path, out: Path) -> None:
    """The picture is in `out`."""
    # found where jobs run, not beside the server
    import matplotlib  # pyright: ignore[reportMissingImports]

    matplotlib.use("Agg")
    from matplotlib import dates, pyplot  # pyright: ignore[reportMissingImports]

    picture: Doc = json.loads(data.read_text())
    panels = picture["panels"]
    size = (11, 1.0 + 2.7 * len(panels))
    figure, found = pyplot.subplots(
        len(panels), 1, sharex=True, figsize=size, squeeze=False, layout="constrained"
    )
    figure.suptitle(picture["title"], fontsize=13, x=0.01, ha="left", color="#1c2733")
    for axes, panel in zip(found[:, 0], panels, strict=True):
        _panel(axes, panel)
    locator = dates.AutoDateLocator()
    axis = found[-1, 0].xaxis
    axis.set_major_locator(locator)
    last = max((t for p in panels for line in p["lines"] for t in line["times"]), default=0)
    # Times without a date are those of the epoch's first day.
    plain = last <= 2 * DAY
    axis.set_major_formatter(
        dates.DateFormatter("%H:%M") if plain else dates.ConciseDateFormatter(locator)
    )
    if not plain:
        found[-1, 0].set_xlabel("UTC", fontsize=8, loc="left", color="#5b6b7b")
    figure.savefig(out, dpi=120, format="png")


def _panel(axes: Any, panel: Doc) -> None:
    for line in panel["lines"]:
        times = [dt.datetime.fromtimestamp(t, dt.UTC) for t in line["times"]]
        values = [float("nan") if v is None else v for v in line["values"]]
        _line(axes, line, times, values)
    axes.set_title(panel["title"], fontsize=10, loc="left", color="#5b6b7b")
    axes.set_ylabel(panel["unit"], fontsize=9)
    axes.grid(color="#e3e8ed", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if panel["whole"]:
        axes.yaxis.get_major_locator().set_params(integer=True)
    if panel["logarithmic"]:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
        axes.margins(y=0.15)
    _marks(axes, panel["marks"])
    if len(panel["lines"]) > 1 or panel["marks"]:
        axes.legend(fontsize=8, loc="upper left", frameon=False, ncols=4)


def _line(axes: Any, line: Doc, times: list[Any], values: list[float]) -> None:
    how, colour, label = line["style"], line["colour"], line["label"]
    if how == "area":
        axes.fill_between(
            times, values, color=colour, alpha=0.25, label=label, linewidth=0, step="post"
        )
        axes.plot(times, values, color=colour, linewidth=0.8, drawstyle="steps-post")
    elif how == "step":
        axes.plot(times, values, color=colour, drawstyle="steps-post", linewidth=1.6, label=label)
    elif how == "dashed":
        axes.plot(times, values, color=colour, linestyle="--", linewidth=1.2, label=label)
    else:
        marker = "." if len(values) < 40 else ""
        axes.plot(times, values, color=colour, linewidth=1.3, label=label, marker=marker)


def _marks(axes: Any, marks: list[Any]) -> None:
    """A line at each moment; the words at the first few, so that they can be read."""
    for number, (at, words) in enumerate(marks):
        time = dt.datetime.fromtimestamp(at, dt.UTC)
        label = "scaling activity" if number == 0 else None
        axes.axvline(time, color="#d1495b", linewidth=0.9, alpha=0.7, label=label)
        if len(marks) <= 30:
            axes.annotate(
                words, (time, 0), xycoords=("data", "axes fraction"), fontsize=7, color="#d1495b",
                xytext=(2, 3), textcoords="offset points",
            )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
