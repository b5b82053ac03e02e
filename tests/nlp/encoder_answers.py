"""What the models that ship say of validation texts: `encoder_answers.py MODELS DATA`, printed as JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from sagebrush.nlp import confidence, entities, personal, sentiment, targeted, toxicity
from sagebrush.nlp.encoder import GRAPH, TOKENIZER, Encoder
from sagebrush.nlp.spans import Span
from sagebrush.nlp.syntax.tagger import Tagger
from sagebrush.nlp.text.tokens import Reader
from sagebrush.nlp.training import entities as named
from sagebrush.nlp.training import evaluation, figures, pii, sets, syntax_figures, taggers, treebank
from sagebrush.nlp.training.tasks import Kind, Task

SOME = 300
"""Texts of sets whose goal the models pass by far."""


def sentiments(encoder: Encoder, data: Path) -> dict[str, float]:
    """Accuracy on SST-2, by the scores of its two labels; texts a second."""
    rows = sets.table(data / "sst2" / "valid.csv")
    start = time.perf_counter()
    scores = sentiment.scores(encoder.read([row["text"] for row in rows]))
    rate = len(rows) / (time.perf_counter() - start)
    right = [
        (each["POSITIVE"] > each["NEGATIVE"]) == (row["label"] == "positive")
        for each, row in zip(scores, rows, strict=True)
    ]
    return {"sst2": sum(right) / len(right), "rate": rate}


def towards(encoder: Encoder, data: Path) -> float:
    """Macro F1 of the sentiment towards persons in news."""
    news = sets.lines(data / "newsmtsc" / "valid_rw.jsonl")
    readings = encoder.read([row["sentence"] for row in news])
    spans = [[Span(row["from"], row["to"], "TARGET")] for row in news]
    scores = [each for (each,) in targeted.scores(encoder, readings, spans)]
    told = [max(each, key=each.__getitem__) for each in scores]
    truth = [row["polarity"].upper() for row in news]
    return figures.macro_f1(truth, told)


def abusive(encoder: Encoder, data: Path) -> float:
    """Accuracy on tweets, as toxic or not."""
    tweets = sets.table(data / "toxicity" / "davidson_valid.csv")[:SOME]
    scores = toxicity.scores(encoder.read([row["text"] for row in tweets]))
    right = [
        (each[toxicity.OVERALL] >= 0.5) == (row["label"] != "neither")
        for each, row in zip(scores, tweets, strict=True)
    ]
    return sum(right) / len(right)


def spans(models: Path, data: Path) -> dict[str, float]:
    """F1 of names and of personal data, as the operations tell them."""
    known, graph = confidence.load(models / "confidence.json"), evaluation.session(models / GRAPH)
    reader = Reader(models / TOKENIZER)
    names = [*named.wnut(data, "valid"), *named.btc(data, "valid")]
    found: dict[str, float] = {}
    for head, labels, valid in (
        (entities.HEAD, entities.LABELS, names),
        (personal.HEAD, personal.LABELS, pii.presidio(data, "valid")),
    ):
        task = Task(head, Kind.TOKENS, labels, [], valid)
        found |= taggers.figured(task, taggers.answers(graph, task, reader), known[head])
    return found


def main() -> None:
    """Prints the figures."""
    models, data = map(Path, sys.argv[1:3])
    encoder = Encoder(models)
    held = treebank.paragraphs(data / "ud_english_ewt" / "en_ewt-ud-dev.conllu.gz")
    found: dict[str, Any] = {
        **sentiments(encoder, data),
        **spans(models, data),
        **syntax_figures.figures(Tagger(models, encoder), held),
        "newsmtsc": towards(encoder, data),
        "davidson": abusive(encoder, data),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
