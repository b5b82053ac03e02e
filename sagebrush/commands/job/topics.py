"""The topics of a training job of LDA or NTM as a picture: how far apart, how large, their words.

The algorithms leave topics.json in output.tar.gz; `jobs plot` finds and draws it.
"""

from __future__ import annotations

import html
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sagebrush.commands import pictures
from sagebrush.commands.running import CommandError
from sagebrush.settings import Settings

Doc = dict[str, Any]
FILE = "topics.json"
LARGEST = 64 * 2**20
"""Bytes of topics.json that are read at most."""
SHOWN, FOLDED = 10, 30
"""Words of a topic that are seen, and those that are there when it is opened."""
INK = "#2f6f9f"
WEAK, STRONG = "#c9d6e2", "#0b3a63"
"""Of topics whose words seldom meet, and of those whose words often do."""
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #1c2733; background: #fff; margin: 2rem auto;
  max-width: 1240px; padding: 0 1rem }}
h1 {{ font-size: 1.5rem; margin: 0 }}
h2 {{ font-size: 1.1rem; margin: 2rem 0 .5rem }}
p {{ color: #5b6b7b; margin: .3rem 0 }}
.topics {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(216px, 1fr)); gap: 14px }}
.topic {{ border: 1px solid #dfe6ec; border-radius: 6px; padding: .6rem .8rem }}
.topic h3 {{ font-size: .95rem; margin: 0; display: flex; justify-content: space-between }}
.topic h3 span, .topic small {{ color: #5b6b7b; font-weight: 400; font-variant-numeric: tabular-nums }}
.word {{ display: flex; align-items: center; font-size: .85rem; line-height: 1.35 }}
.word b {{ font-weight: 400; flex: 0 0 58%; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap }}
.word i {{ display: block; height: .6rem; background: #2f6f9f; border-radius: 2px; min-width: 1px }}
.word span {{ flex: 1 }}
summary {{ font-size: .8rem; color: #5b6b7b; cursor: pointer }}
</style></head><body>
<h1>{title}</h1>
<p>{words}</p>
{map}
<h2>Words of each topic</h2>
<p>{note}</p>
<div class="topics">
{topics}
</div>
</body></html>
"""


def training_job(sagemaker: Any, name: str) -> Doc | None:
    """The training job's description; None where there is none of that name."""
    from botocore.exceptions import ClientError

    try:
        return sagemaker.describe_training_job(TrainingJobName=name)
    except ClientError:
        return None


def read(job: Doc, s3: Any) -> Doc:
    """The topics of an ended training job; raises CommandError where it has none."""
    name, status = job["TrainingJobName"], job["TrainingJobStatus"]
    if status in ("InProgress", "Stopping"):
        raise CommandError(f"{name} has not ended yet: its topics are stored at its end")
    config = job["OutputDataConfig"]
    bucket, _, prefix = config["S3OutputPath"].removeprefix("s3://").partition("/")
    home = "/".join(part for part in (prefix.strip("/"), name, "output") if part)
    found = _stored(s3, bucket, home, config.get("CompressionType") == "NONE")
    try:
        content = json.loads(found) if found is not None else None
        return checked(content) if content is not None else _none(name)
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{name}: {FILE} cannot be read: {error}") from error


def checked(content: Any) -> Doc:
    """The content, which has what is drawn; raises ValueError, KeyError or TypeError."""
    each = [
        {
            "words": [[str(word), float(weight)] for word, weight in topic["words"]],
            "share": float(topic["share"]),
            "npmi": None if topic.get("npmi") is None else float(topic["npmi"]),
        }
        for topic in content["topics"]
    ]
    distances = np.array(content["distances"], np.float64)
    if not each or distances.shape != (len(each), len(each)):
        raise ValueError(f"{len(each)} topics and distances of shape {distances.shape}")
    return {"algorithm": str(content["algorithm"]), "vocabulary": bool(content["vocabulary"]),
            "topics": each, "distances": distances.tolist()}  # fmt: skip


def _none(name: str) -> Doc:
    raise CommandError(
        f"{name} is a training job without topics: what is drawn are tuning jobs, and training jobs of"
        " lda and ntm"
    )


def _stored(s3: Any, bucket: str, home: str, plain: bool) -> bytes | None:
    """The bytes of topics.json among the job's output; None where there is none."""
    from botocore.exceptions import ClientError

    key = f"{home}/output/{FILE}" if plain else f"{home}/output.tar.gz"
    try:
        body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return None
        raise CommandError(f"s3://{bucket}/{key}: {error.response['Error']['Message']}") from error
    if plain:
        return body
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as archive:
        for member in archive:
            if member.isfile() and Path(member.name).name == FILE and member.size <= LARGEST:
                file = archive.extractfile(member)
                return file.read() if file else None
    return None


def layout(distances: Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
    """(topics, 2): places whose distances are as near as can be to those given, by classical
    multidimensional scaling (Torgerson, 1952)."""
    squares = np.array(distances, np.float64) ** 2
    centred = squares - squares.mean(0) - squares.mean(1)[:, None] + squares.mean()
    values, vectors = np.linalg.eigh(-centred / 2)
    order = np.argsort(-values)[:2]
    places = vectors[:, order] * np.sqrt(np.clip(values[order], 0, None))
    # The same picture each time: a vector's sign is arbitrary.
    places *= np.where(places.sum(0) < 0, -1, 1)
    return np.hstack([places, np.zeros((len(places), 2 - places.shape[1]))])


def ranked(content: Doc) -> list[int]:
    """The topics' numbers, the largest share first."""
    shares = [topic["share"] for topic in content["topics"]]
    return sorted(range(len(shares)), key=lambda number: -shares[number])


def page(name: str, content: Doc) -> str:
    """One HTML page that needs nothing else, not even a network."""
    topics = content["topics"]
    coherent = [topic["npmi"] for topic in topics if topic["npmi"] is not None]
    words = f"{content['algorithm'].upper()}, {len(topics)} topics"
    if coherent:
        words += f"; mean coherence (NPMI of the ten top words) {np.mean(coherent):.3f}"
    note = "The largest topic first; a topic's number is its place in the answers of an endpoint."
    if not content["vocabulary"]:
        note += " No vocabulary was given: #17 is feature 17, counted from 0."
    return PAGE.format(
        title=html.escape(name),
        words=html.escape(words),
        map=_map(content),
        note=html.escape(note),
        topics="\n".join(_card(number, topics[number]) for number in ranked(content)),
    )


def _card(number: int, topic: Doc) -> str:
    said = "" if topic["npmi"] is None else f"<small>coherence {topic['npmi']:.2f}</small>"
    most = max((weight for _, weight in topic["words"]), default=0) or 1
    rows = [_word(word, weight / most) for word, weight in topic["words"][:FOLDED]]
    more = ""
    if rows[SHOWN:]:
        more = f"<details><summary>more words</summary>{''.join(rows[SHOWN:])}</details>"
    return (
        f'<div class="topic"><h3>Topic {number} <span>{topic["share"]:.1%}</span></h3>{said}'
        f"{''.join(rows[:SHOWN])}{more}</div>"
    )


def _word(word: str, share: float) -> str:
    shown = html.escape(word)
    return (
        f'<div class="word"><b title="{shown}">{shown}</b><span><i style="width:'
        f'{max(share, 0):.1%}"></i></span></div>'
    )


def _map(content: Doc) -> str:
    """The topics as circles: near where they share words, large where documents are full of them."""
    import plotly.graph_objects as graph

    topics, places = content["topics"], layout(content["distances"])
    shares = np.array([topic["share"] for topic in topics])
    order = ranked(content)  # small circles lie on large ones
    hover = [
        f"<b>topic {n}</b>, {topics[n]['share']:.1%}<br>"
        + html.escape(", ".join(word for word, _ in topics[n]["words"][:SHOWN]))
        for n in order
    ]
    coherent = [topics[n]["npmi"] or 0.0 for n in order]
    circles = graph.Scatter(
        x=places[order, 0], y=places[order, 1], mode="markers+text",
        text=[str(n) for n in order], textfont={"size": 10, "color": "#1c2733"},
        textposition="middle center", hovertext=hover, hoverinfo="text",
        marker={"size": (12 + 60 * np.sqrt(shares[order] / max(shares.max(), 1e-9))).tolist(),
                "color": coherent, "colorscale": [[0, WEAK], [1, INK]], "opacity": 0.65,
                "line": {"color": "white", "width": 1},
                "colorbar": {"title": {"text": "coherence"}, "thickness": 12}},
    )  # fmt: skip
    figure = graph.Figure(circles)
    figure.update_layout(
        template="plotly_white", height=620, title="Distances between topics (Jensen-Shannon)",
        margin={"l": 20, "r": 20, "t": 60, "b": 20}, font={"size": 13, "color": "#1c2733"},
    )  # fmt: skip
    figure.update_xaxes(showticklabels=False, zeroline=False)
    figure.update_yaxes(showticklabels=False, zeroline=False, scaleanchor="x")
    return figure.to_html(full_html=False, include_plotlyjs=True, config={"displayModeBar": False})


def png(name: str, content: Doc, path: Path, chosen: Settings) -> None:
    """The same as a picture in the file, a PNG; raises CommandError."""
    from sagebrush.commands.pictures import topic_drawing

    places = layout(content["distances"]).tolist()
    data = {"title": name, **content, "places": places, "order": ranked(content)}
    pictures.run(Path(str(topic_drawing.__file__)), data, path, chosen)
