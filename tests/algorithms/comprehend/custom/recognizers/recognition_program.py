"""A recognizer trained from a bucket in memory, and what it finds: `recognition_program.py MODELS`, as JSON."""

from __future__ import annotations

import csv
import importlib
import io
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from sagebrush.algorithms.comprehend import package
from sagebrush.algorithms.comprehend.custom.order import Order
from sagebrush.algorithms.comprehend.custom.recognizers import recognition
from sagebrush.algorithms.comprehend.program import Stopped
from tests.algorithms.comprehend.fake_s3 import Client
from tests.algorithms.comprehend.fake_s3 import storage as of

FIRST = ("Ann", "Bob", "Eve", "Ida", "Max", "Zoe", "Tom", "Uma", "Lee", "Kim")
LAST = ("Adams", "Brown", "Clark", "Davis", "Evans", "Frank", "Green", "Hills", "Irwin", "Jones")
SENTENCES = (
    "{} signed the drawing of pump {} on Monday.",
    "On Friday the office asked {} about part {} again.",
    "We 👩🏽‍💻 sent {} the valve {}, which was late.",
)
UNSEEN = "Nobody but Sarah Miller knew that valve QX-77 was late."


def documents(count: int, seed: int) -> list[tuple[str, list[tuple[int, int, str]]]]:
    """Sentences with a person and the number of a part."""
    chosen = random.Random(seed)
    told = []
    for _ in range(count):
        name = f"{chosen.choice(FIRST)} {chosen.choice(LAST)}"
        letters = "".join(chosen.choices("ABCDEFGHKLMNPQRSTUVWXYZ", k=2))
        part = f"{letters}-{chosen.randrange(10, 99)}"
        text = chosen.choice(SENTENCES).format(name, part)
        marks = [
            (text.index(each), text.index(each) + len(each), kind)
            for each, kind in ((name, "PERSON"), (part, "PART"))
        ]
        told.append((text, marks))
    return told


def order(given: dict[str, bytes], language: str) -> Order:
    """The order over documents that lie in `given` from now on."""
    marks = io.StringIO()
    writer = csv.writer(marks)
    writer.writerow(["File", "Line", "Begin Offset", "End Offset", "Type"])
    made = documents(150, 1)
    for line, (_, entities) in enumerate(made):
        writer.writerows([["d.txt", line, *each] for each in entities])
    given["docs/d.txt"] = "\r\n".join(text for text, _ in made).encode()
    given["marks.csv"] = marks.getvalue().encode()
    data: dict[str, Any] = {
        "EntityTypes": [{"Type": "PERSON"}, {"Type": "PART"}],
        "Documents": {"S3Uri": "s3://b/docs/"},
        "Annotations": {"S3Uri": "s3://b/marks.csv"},
    }
    return Order("entity-recognizer", language, "", data, None, "", "")


def trained(models: Path, language: str) -> dict[str, Any]:
    """What training gives, and what its model, loaded from its files, finds in a new sentence."""
    given: dict[str, bytes] = {}
    asked = order(given, language)
    got = recognition.train(asked, of(Client(given)), models, lambda: False)
    encoder = importlib.import_module("nlp.encoder").Encoder(models)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in got.model.items():
            (Path(folder) / name).write_bytes(content)
        model = importlib.import_module("nlp.custom.model").load(Path(folder), encoder)
        texts = [UNSEEN, "", " \n", "\u0301", "👩🏽‍💻🇩🇪\x00", "Zoe\u0301 שלום\u200f", "a" * 100_000]
        answers = model.answer(texts)
    return {
        "metadata": got.metadata,
        "warning": got.warning,
        "texts": texts,
        "answers": answers,
    }


def main() -> None:
    """Prints what was found."""
    models = Path(sys.argv[1])
    package.nlp()
    given: dict[str, bytes] = {}
    asked = order(given, "en")
    try:
        recognition.train(asked, of(Client(given)), models, lambda: True)
        stopped = False
    except Stopped:
        stopped = True
    told = {language: trained(models, language) for language in ("en", "es")}
    print(json.dumps({**told, "stopped": stopped}))


if __name__ == "__main__":
    main()
