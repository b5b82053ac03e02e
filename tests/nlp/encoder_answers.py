"""What the shared encoder says of validation texts: `encoder_answers.py MODELS DATA`, printed as JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from sagebrush.nlp import sentiment, targeted, toxicity
from sagebrush.nlp.encoder import Encoder
from sagebrush.nlp.spans import Span
from sagebrush.nlp.training import sets

SOME = 300


def main() -> None:
    """Prints the figures."""
    models, data = map(Path, sys.argv[1:3])
    encoder = Encoder(models)
    rows = sets.table(data / "sst2" / "valid.csv")[:SOME]
    start = time.perf_counter()
    scores = sentiment.scores(encoder.read([row["text"] for row in rows]))
    rate = len(rows) / (time.perf_counter() - start)
    binary = [
        (each["POSITIVE"] > each["NEGATIVE"]) == (row["label"] == "positive")
        for each, row in zip(scores, rows, strict=True)
    ]
    news = sets.lines(data / "newsmtsc" / "valid_rw.jsonl")[:SOME]
    readings = encoder.read([row["sentence"] for row in news])
    spans = [[Span(row["from"], row["to"], "TARGET")] for row in news]
    told = targeted.scores(encoder, readings, spans)
    towards = [
        max(each, key=each.__getitem__) == row["polarity"].upper()
        for (each,), row in zip(told, news, strict=True)
    ]
    tweets = sets.table(data / "toxicity" / "davidson_valid.csv")[:SOME]
    abuse = toxicity.scores(encoder.read([row["text"] for row in tweets]))
    toxic = [
        (each[toxicity.OVERALL] >= 0.5) == (row["label"] != "neither")
        for each, row in zip(abuse, tweets, strict=True)
    ]
    found = {"sst2": binary, "newsmtsc": towards, "davidson": toxic}
    print(
        json.dumps({name: sum(each) / len(each) for name, each in found.items()} | {"rate": rate})
    )


if __name__ == "__main__":
    main()
