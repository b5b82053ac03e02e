"""`jobs plot`: a tuning job as a picture: its trials, what they tried, what mattered; or a training job's
topics (`topics.py`)."""

from __future__ import annotations

import argparse
import html
import importlib.util
import io
import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagebrush.commands import places, running
from sagebrush.commands.job import topics
from sagebrush.commands.running import CommandError
from sagebrush.tuning.ask import COMPLETE, FAILED, PRUNED, RUNNING, Strategy, Trial, quiet
from sagebrush.tuning.importance import importance, study
from sagebrush.tuning.space import Space, parse

if TYPE_CHECKING:
    from optuna.study import Study

Doc = dict[str, Any]
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #1c2733; margin: 2rem auto; max-width: 1100px;
  padding: 0 1rem }}
h1 {{ font-size: 1.5rem; margin: 0 }}
h2 {{ font-size: 1.1rem; margin: 2rem 0 0 }}
table {{ border-collapse: collapse; margin: 1rem 0 }}
td, th {{ padding: .2rem 1.2rem .2rem 0; text-align: left; font-variant-numeric: tabular-nums }}
th {{ font-weight: 500; color: #5b6b7b }}
p {{ color: #5b6b7b; margin: .3rem 0 }}
</style></head><body>
<h1>{title}</h1>
<p>{words}</p>
{parts}
</body></html>
"""
INK, MUTED, BEST = "#2f6f9f", "#9aa7b4", "#d1495b"
"""Colours: trials, those stopped early, the best so far."""
SHADES = ("rgb(185, 201, 216)", "rgb(11, 58, 99)")
"""Of a bad trial and of a good one: both are seen on white."""


@dataclass(frozen=True)
class Drawing:
    """One training job definition of a tuning job, ready to be drawn."""

    name: str
    metric: str
    space: Space
    strategy: Strategy
    trials: tuple[Trial, ...]
    study: Study

    @property
    def valued(self) -> list[Trial]:
        """The trials that ended with a value."""
        return [t for t in self.trials if t.state in (COMPLETE, PRUNED) and t.value is not None]

    @property
    def best(self) -> Trial:
        """The best of them."""
        pick = max if self.strategy.maximize else min
        return pick(self.valued, key=lambda t: t.value or 0.0)

    @property
    def tried(self) -> Study:
        """The trials with a value as a study, early-stopped ones included."""
        whole = [Trial(t.config, COMPLETE, t.value) for t in self.valued]
        return study(self.space, self.strategy, whole, "tried")

    @property
    def shares(self) -> dict[str, float] | None:
        """The importance of each hyperparameter; None where there is only one, or too few trials."""
        if len(self.space.ranges) < 2:
            return None
        return importance(self.space, self.trials)


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `jobs plot`."""
    parser.add_argument("name", help="the tuning job, or the training job of lda or ntm")
    parser.add_argument(
        "-o", "--output", type=Path, help="the file, .html or .png (default: NAME.html)"
    )
    places.add_argument(parser)
    parser.add_argument("--open", action="store_true", help="show it in the browser")


def run(args: argparse.Namespace) -> int:
    """The picture is in the file, whose name is printed."""
    path: Path = args.output or Path(f"{args.name}.html")
    if path.suffix.lower() not in (".html", ".png"):
        raise CommandError(f"{path}: the file's name must end in .html or .png")
    chosen = running.settings()
    server = places.server(chosen, args)
    region = places.region_of(chosen, server, args.name, args.region)
    sagemaker = running.client(chosen, server, "sagemaker", region)
    try:
        job, summaries = _asked(sagemaker, args.name)
    except CommandError:
        trained = topics.training_job(sagemaker, args.name)
        if trained is None:
            raise
        found = topics.read(trained, running.client(chosen, server, "s3", region))
        if path.suffix.lower() == ".png":
            topics.png(args.name, found, path, chosen)
        else:
            _written(path, topics.page(args.name, found).encode())
        return _shown(path, args.open)
    drawings = [d for d in drawn(job, summaries) if d.valued]
    if not drawings:
        raise CommandError(_nothing(job))
    data = png(drawings) if path.suffix.lower() == ".png" else page(job, drawings).encode()
    _written(path, data)
    return _shown(path, args.open)


def _written(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error


def _shown(path: Path, opened: bool) -> int:
    """The file's name is printed, and it is in the browser, if that was asked for."""
    print(path)
    if opened and not webbrowser.open(path.resolve().as_uri()):
        print("no browser could be opened", file=sys.stderr)
    return 0


def _nothing(job: Doc) -> str:
    """Why there is nothing to draw."""
    name, status = job["HyperParameterTuningJobName"], job["HyperParameterTuningJobStatus"]
    if status in ("InProgress", "Stopping"):
        return f"{name}: no trial has ended with an objective value yet"
    reason = f": {job['FailureReason']}" if "FailureReason" in job else ""
    return f"{name} is {status}, and none of its trials had an objective value{reason}"


def _asked(sagemaker: Any, name: str) -> tuple[Doc, list[Doc]]:
    """The tuning job's description and its trials' summaries, oldest first."""
    from botocore.exceptions import ClientError

    try:
        job = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    except ClientError as error:
        raise CommandError(error.response["Error"]["Message"]) from error
    pages = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
        HyperParameterTuningJobName=name, SortBy="CreationTime", SortOrder="Ascending"
    )
    return job, [each for one in pages for each in one["TrainingJobSummaries"]]


def drawn(job: Doc, summaries: list[Doc]) -> list[Drawing]:
    """What can be drawn of each training job definition of the tuning job."""
    config = job["HyperParameterTuningJobConfig"]
    alone = [job["TrainingJobDefinition"]] if "TrainingJobDefinition" in job else []
    found = []
    for each in [*alone, *job.get("TrainingJobDefinitions", ())]:
        name = each.get("DefinitionName", "")
        space = parse(each.get("HyperParameterRanges") or config.get("ParameterRanges") or {})
        objective = each.get("TuningObjective") or config["HyperParameterTuningJobObjective"]
        strategy = Strategy(config["Strategy"], objective["Type"] == "Maximize")
        own = tuple(_trial(s) for s in summaries if s.get("TrainingJobDefinitionName", "") == name)
        made = study(space, strategy, own, job["HyperParameterTuningJobName"])
        found.append(Drawing(name, objective["MetricName"], space, strategy, own, made))
    return found


def _trial(summary: Doc) -> Trial:
    config, status = summary["TunedHyperParameters"], summary["TrainingJobStatus"]
    final = summary.get("FinalHyperParameterTuningJobObjectiveMetric")
    if status in ("InProgress", "Stopping"):
        return Trial(config, RUNNING)
    if final is None or status == "Failed":
        return Trial(config, FAILED)
    return Trial(config, COMPLETE if status == "Completed" else PRUNED, final["Value"])


# HTML ---------------------------------------------------------------------------------------------


def page(job: Doc, drawings: list[Drawing]) -> str:
    """One HTML page that needs nothing else, not even a network."""
    parts, script = [], True
    for each in drawings:
        if each.name:
            parts.append(f"<h2>{html.escape(each.name)}</h2>")
        parts.append(_table(each))
        for figure in _figures(each):
            parts.append(figure.to_html(full_html=False, include_plotlyjs=script,
                                        config={"displayModeBar": False}))  # fmt: skip
            script = False
    counts = job["ObjectiveStatusCounters"]
    words = (
        f"{job['HyperParameterTuningJobConfig']['Strategy']} search,"
        f" {job['HyperParameterTuningJobStatus']}: {counts.get('Succeeded', 0)} trials with an"
        f" objective, {counts.get('Pending', 0)} under way, {counts.get('Failed', 0)} failed"
    )
    title = html.escape(job["HyperParameterTuningJobName"])
    return PAGE.format(title=title, words=html.escape(words), parts="\n".join(parts))


def _table(each: Drawing) -> str:
    """The best trial in a few lines."""
    best = each.best
    rows = [(f"best {each.metric}", f"{best.value:.6g}")]
    rows += [(name, _short(value)) for name, value in best.config.items()]
    cells = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in rows)
    return f"<table>{cells}</table>"


def _short(text: str) -> str:
    """A number in six digits; any other text as it is."""
    try:
        return f"{float(text):.6g}"
    except ValueError:
        return text.strip('"')


def _figures(each: Drawing) -> list[Any]:
    """Optuna's plots, those that have something to show."""
    found = [_history(each)]
    if len(each.valued) > 1:
        found.append(_parallel(each))
    if shares := each.shares:
        found.append(_bars(shares))
    for figure in found:
        figure.update_layout(template="plotly_white", margin={"l": 80, "r": 40, "t": 60, "b": 50},
                             font={"size": 13, "color": "#1c2733"})  # fmt: skip
    return found


def _history(each: Drawing) -> Any:
    """Objective by trial, the best so far, and the trials that were stopped early."""
    figure = quiet().visualization.plot_optimization_history(each.study, target_name=each.metric)
    figure.update_traces(marker={"color": INK, "size": 8}, selector={"mode": "markers"})
    figure.update_traces(line={"color": BEST, "shape": "hv"}, selector={"mode": "lines"})
    figure.update_traces(name="trial", selector={"mode": "markers"})
    figure.update_traces(name="best so far", selector={"mode": "lines"})
    for trace in figure.data:  # counted from 1, as in the training jobs' names
        trace.x = [number + 1 for number in trace.x]
    early = [(n, t.value) for n, t in enumerate(each.trials, 1) if t.state == PRUNED]
    if early:
        figure.add_scatter(
            x=[n for n, _ in early], y=[value for _, value in early], mode="markers",
            name="stopped early", marker={"color": MUTED, "size": 9, "symbol": "x"},
        )  # fmt: skip
    figure.update_layout(title="Objective by trial", height=400, showlegend=True,
                         legend={"orientation": "h", "y": 1.12, "x": 1, "xanchor": "right"})  # fmt: skip
    return figure.update_xaxes(title="trial", rangemode="tozero").update_yaxes(title=each.metric)


def _parallel(each: Drawing) -> Any:
    """Parallel coordinates: each trial is a line, darker the better it was."""
    from plotly.colors import sample_colorscale

    figure = quiet().visualization.plot_parallel_coordinate(each.tried, target_name=each.metric)
    for trace in figure.select_traces({"mode": "lines"}):
        share = min(max(trace.y[0] if each.strategy.maximize else 1 - trace.y[0], 0.0), 1.0)
        trace.update(line_color=sample_colorscale(SHADES, share)[0], opacity=0.8)
    figure.update_traces(marker_colorscale=SHADES, selector={"mode": "markers"})
    figure.update_annotations(font_size=12)
    return figure.update_layout(title="What the trials tried", height=420)


def _bars(shares: dict[str, float]) -> Any:
    """The importance of each hyperparameter, the greatest on top."""
    import plotly.graph_objects as graph

    names, values = list(shares)[::-1], list(shares.values())[::-1]
    bars = graph.Bar(x=values, y=names, orientation="h", marker={"color": INK},
                     text=[f"{value:.0%}" for value in values], textposition="auto")  # fmt: skip
    figure = graph.Figure(bars)
    figure.update_layout(title="What mattered", height=120 + 34 * len(names))
    return figure.update_xaxes(
        title="share of the variance that it explains", tickformat=".0%", range=[0, 1]
    ).update_yaxes(automargin=True)


# PNG ----------------------------------------------------------------------------------------------


def png(drawings: list[Drawing]) -> bytes:
    """The same plots, one below the other; raises CommandError without matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        raise CommandError(
            "a PNG needs matplotlib, which is not installed beside Sagebrush: pip install"
            " matplotlib, or write an .html file, which needs nothing"
        )
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    import numpy as np

    pyplot = importlib.import_module("matplotlib.pyplot")
    pictures = []
    for each in drawings:
        for axes in _axes(each):
            figure = axes.figure
            figure.set_size_inches(10, 4.5)
            axes.set_facecolor("white")
            figure.tight_layout()
            figure.canvas.draw()
            pictures.append(np.asarray(figure.canvas.buffer_rgba()))
            pyplot.close(figure)
    width = max(picture.shape[1] for picture in pictures)
    padded = [
        np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=255) for p in pictures
    ]
    out = io.BytesIO()
    pyplot.imsave(out, np.vstack(padded), format="png")
    return out.getvalue()


def _axes(each: Drawing) -> list[Any]:
    """Optuna's plots by matplotlib."""
    visual = quiet().visualization.matplotlib
    found = [visual.plot_optimization_history(each.study, target_name=each.metric)]
    name = f" ({each.name})" if each.name else ""
    early = [(n, t.value) for n, t in enumerate(each.trials) if t.state == PRUNED]
    if early:
        found[0].scatter(*zip(*early, strict=True), marker="x", color=MUTED, label="stopped early")
        found[0].legend()
    found[0].set_title(f"Objective by trial{name}")
    found[0].grid(color="#e3e8ed")
    if len(each.valued) > 1:
        parallel = visual.plot_parallel_coordinate(each.tried, target_name=each.metric)
        parallel.set_title(f"What the trials tried{name}")
        parallel.grid(False)
        found.append(parallel)
    if shares := each.shares:
        _, bars = importlib.import_module("matplotlib.pyplot").subplots()
        bars.barh(list(shares)[::-1], list(shares.values())[::-1], color=INK)
        bars.set_title(f"What mattered{name}")
        bars.set_xlim(0, 1)
        bars.grid(axis="x", color="#e3e8ed")
        bars.set_axisbelow(True)
        found.append(bars)
    return found
