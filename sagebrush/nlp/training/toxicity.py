"""Whether a text is toxic, and in which of Comprehend's seven ways.

TOXICITY and HATE_SPEECH are learned from labels of people: Davidson et al. 2017 (tweets; MIT), Surge AI's
toxicity (comments; MIT), HateCheck's visible cases (Roettger et al. 2021; CC BY 4.0), whose
functionalities also tell threats and profanity. The other labels are weak: rules (`abuse`) on these
texts and on GoEmotions (Apache-2.0), and GRAPHIC by `gore`. Film snippets and news, in which films and politicians
are called bad, teach that this is not toxic.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import abuse, figures, gore, mixtures, sentiment, sets, targeted
from .tasks import Example, Kind, Task

LABELS = (
    "PROFANITY", "HATE_SPEECH", "INSULT", "GRAPHIC", "HARASSMENT_OR_ABUSE", "SEXUAL",
    "VIOLENCE_OR_THREAT", "TOXICITY",
)  # fmt: skip
"""Those of DetectToxicContent; the last one is its overall score."""
WEAK = frozenset(LABELS) - {"HATE_SPEECH", "TOXICITY"}
GOLD = frozenset({"HATE_SPEECH", "TOXICITY"})
CASES = 4
"""How often a visible case of HateCheck is seen in a pass."""

NAMELESS = 1000
"""Texts with two opinions, none of which is toxic."""


def task(data: Path) -> Task:
    """The task with its sets below `data`."""
    train = tweets(data, "train") + comments(data, "train") + clean(data)
    train += cases(data, valid=False) * CASES + surge(data, valid=False) * 2
    clear = {"HATE_SPEECH": False, "TOXICITY": False}
    mixed = [_example(each, clear, "mixtures") for each in mixtures.nameless(NAMELESS, 17)]
    both = [*train, *gore.examples(data, valid=False), *mixed]
    valid = tweets(data, "valid") + cases(data, valid=True) + surge(data, valid=True)
    valid += gore.examples(data, valid=True)
    return Task("toxicity", Kind.MULTIPLE, LABELS, both, valid, loss=0.4, sampling=1.2, first=train)


def _example(text: str, gold: dict[str, bool], source: str, weak: frozenset[str] = WEAK) -> Example:
    """An example with labels by people, and by rules those of `weak` that people did not give."""
    found = abuse.kinds(text) & weak
    labels = (found - gold.keys()) | {label for label, holds in gold.items() if holds}
    return Example(
        text, tuple(sorted(labels)), known=frozenset(gold) | (weak - gold.keys()), source=source
    )


def tweets(data: Path, part: str) -> list[Example]:
    """Davidson's tweets; what is offensive or hate speech is toxic."""
    name = "davidson_train.csv.gz" if part == "train" else f"davidson_{part}.csv"
    return [
        _example(
            html.unescape(row["text"]),
            {"HATE_SPEECH": row["label"] == "hate_speech", "TOXICITY": row["label"] != "neither"},
            "davidson",
        )
        for row in sets.table(data / "toxicity" / name)
    ]


def cases(data: Path, valid: bool) -> list[Example]:
    """HateCheck's visible cases, of which every fourth one is for validation."""
    told = []
    for row in sets.table(data / "toxicity" / "hatecheck_visible.csv"):
        if (int(row["case_id"]) // 5 % 4 == 0) is valid:
            told.append(_case(row["text"], row["functionality"], row["label"] == "hateful"))
    return told


def _case(text: str, functionality: str, hateful: bool) -> Example:
    gold = {"HATE_SPEECH": hateful, "VIOLENCE_OR_THREAT": functionality.startswith("threat_")}
    if functionality.startswith("profanity_"):
        gold["PROFANITY"] = True
    if functionality == "target_indiv_nh":
        gold |= {"TOXICITY": True, "INSULT": True, "HARASSMENT_OR_ABUSE": True}
    elif hateful:
        gold["TOXICITY"] = True
    elif functionality not in ("profanity_nh", "slur_reclaimed_nh", "target_group_nh"):
        gold["TOXICITY"] = False
    return _example(text, gold, "hatecheck")


def surge(data: Path, valid: bool) -> list[Example]:
    """Surge AI's comments; every fifth is for validation."""
    rows = sets.table(data / "toxicity" / "surge_toxicity_en.csv")
    return [
        _example(row["text"], {"TOXICITY": row["label"] == "toxic"}, "surge")
        for at, row in enumerate(rows)
        if (at % 5 == 0) is valid
    ]


def comments(data: Path, part: str) -> list[Example]:
    """Comments with emotions: one without anger and without a finding of the rules is not toxic, an
    angry insult is."""
    rows = sets.table(data / "goemotions" / ("train.csv.gz" if part == "train" else f"{part}.csv"))
    angry = {"anger", "annoyance", "disgust"}
    told = []
    for at, row in enumerate(rows):
        emotions = set(row["labels"].split("|"))
        found = abuse.kinds(row["text"])
        gold: dict[str, bool] = {}
        if not found and not emotions & (angry | {"disapproval"}):
            gold = {"TOXICITY": False, "HATE_SPEECH": False}
        elif emotions & {"anger", "disgust"} and found & {"INSULT", "HARASSMENT_OR_ABUSE"}:
            gold = {"TOXICITY": True}
        if found or at % 4 == 0:  # what holds nothing is plenty
            told.append(_example(row["text"], gold, "goemotions"))
    return told


def clean(data: Path) -> list[Example]:
    """Every third of the film snippets and sentences of news: not toxic, unless a rule finds something."""
    texts = [each.text for each in sentiment.snippets(data, "train")]
    texts += [
        each.text for each in targeted.mentions(data / "newsmtsc" / "train.jsonl.gz", "newsmtsc")
    ]
    return [_example(text, _unless(text), "clean") for text in texts[::3]]


def _unless(text: str) -> dict[str, bool]:
    found = abuse.kinds(text) & {"INSULT", "HARASSMENT_OR_ABUSE", "PROFANITY"}
    return {"HATE_SPEECH": False} if found else {"HATE_SPEECH": False, "TOXICITY": False}


HATEFUL = 0.35
"""The probability of HATE_SPEECH from which a tweet counts as Davidson's rarest class."""


def three(chances: Sequence[float], threshold: float = HATEFUL) -> str:
    """Davidson's class of a tweet, from the probabilities of LABELS."""
    hate, toxic = chances[LABELS.index("HATE_SPEECH")], chances[LABELS.index("TOXICITY")]
    if hate >= threshold:
        return "hate_speech"
    return "offensive_language" if toxic >= 0.5 else "neither"


def figures_of_sets(
    examples: Sequence[Example], chances: Sequence[Sequence[float]]
) -> dict[str, float]:
    """Accuracy and macro F1 of Davidson's three classes, accuracy of HateCheck's two."""
    rows = list(zip(examples, chances, strict=True))
    tweets = [(_class(each), three(row)) for each, row in rows if each.source == "davidson"]
    truth, told = [one for one, _ in tweets], [one for _, one in tweets]
    hateful = LABELS.index("HATE_SPEECH")
    checks = [
        ("HATE_SPEECH" in each.labels) == (row[hateful] >= 0.5)
        for each, row in rows
        if each.source == "hatecheck"
    ]
    return {
        "davidson three classes accuracy": figures.accuracy(truth, told),
        "davidson three classes macro F1": figures.macro_f1(truth, told),
        "hatecheck accuracy": sum(checks) / max(1, len(checks)),
    }


def _class(example: Example) -> str:
    if "HATE_SPEECH" in example.labels:
        return "hate_speech"
    return "offensive_language" if "TOXICITY" in example.labels else "neither"


def baselines(data: Path) -> dict[str, float]:
    """What TF-IDF with logistic regression reaches on the same parts: tweets in three classes, and cases
    of HateCheck, learned from all texts with a label for hate speech."""
    from sklearn.feature_extraction.text import (  # pyright: ignore[reportMissingImports]
        TfidfVectorizer,
    )
    from sklearn.linear_model import LogisticRegression  # pyright: ignore[reportMissingImports]
    from sklearn.pipeline import make_pipeline  # pyright: ignore[reportMissingImports]

    def line(balanced: bool) -> Any:
        return make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
            LogisticRegression(C=10, max_iter=1000, class_weight="balanced" if balanced else None),
        )

    train, valid = tweets(data, "train"), tweets(data, "valid")
    model = line(False).fit([each.text for each in train], [_class(each) for each in train])
    truth = [_class(each) for each in valid]
    told = list(model.predict([each.text for each in valid]))
    rows = [*train, *cases(data, valid=False) * CASES]
    model = line(True).fit(
        [each.text for each in rows], ["HATE_SPEECH" in each.labels for each in rows]
    )
    checks = cases(data, valid=True)
    found = model.predict([each.text for each in checks])
    return {
        "davidson three classes accuracy": figures.accuracy(truth, told),
        "davidson three classes macro F1": figures.macro_f1(truth, told),
        "hatecheck accuracy": sum(
            bool(a) == ("HATE_SPEECH" in each.labels) for a, each in zip(found, checks, strict=True)
        )
        / len(checks),
    }
