"""Key phrases of scientific paragraphs: those of Comprehend's models beside YAKE's, and texts a second.

    SAGEBRUSH_EVAL_DATA=... python benchmarks/comprehend_key_phrases.py [FOLDER OF MODELS]

in the environment `nlp`, with `yake` beside it (`pip install --target FOLDER yake`, PYTHONPATH=FOLDER). F1 of
the first ten phrases of each text, as sets of stemmed words (Porter's stemmer), over the visible half of
SemEval-2017 task 10; YAKE with its own settings (up to three words). `DetectKeyPhrases` answers every noun
phrase; here its phrases are ranked by how much they say of the text (`nlp.key_phrases.ranked`).
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

# Beside this file lies an onnx.py of another benchmark.
sys.path.remove(str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

import yake  # pyright: ignore[reportMissingImports]
from nltk.stem.porter import PorterStemmer  # pyright: ignore[reportMissingImports]

from sagebrush.nlp.encoder import Encoder
from sagebrush.nlp.key_phrases import ranked
from sagebrush.nlp.syntax.tagger import Tagger
from sagebrush.nlp.training import sets
from sagebrush.settings import Settings

FIRST = 10
"""Phrases of each text that are judged."""


def stems(phrase: str) -> str:
    """The phrase's words without their endings."""
    stemmer = PorterStemmer()
    return " ".join(stemmer.stem(word) for word in re.findall(r"\w+", phrase.lower()))


def f1(told: Sequence[str], truth: Sequence[str]) -> float:
    """F1 of the first phrases that are told, each counted once."""
    ours = list(dict.fromkeys(stems(each) for each in told))[:FIRST]
    theirs = {stems(each) for each in truth}
    hits = len(theirs & {*ours})
    return 2 * hits / (len(ours) + len(theirs)) if ours or theirs else 0.0


def main() -> None:
    """Prints both, and their ratio."""
    folder = Path(sys.argv[1]) if sys.argv[1:] else Settings().models_folder
    data = Path(os.environ["SAGEBRUSH_EVAL_DATA"]) / "keyphrase_semeval2017"
    rows = sets.lines(data / "train.jsonl")
    texts = [row["text"] for row in rows]
    tagger = Tagger(folder, Encoder(folder))
    extractor = yake.KeywordExtractor(lan="en", n=3, top=2 * FIRST)

    def ours() -> list[list[str]]:
        read = zip(texts, tagger.analyse(texts), strict=True)
        return [[phrase for phrase, _ in ranked(text, each)] for text, each in read]

    def theirs() -> list[list[str]]:
        return [[phrase for phrase, _ in extractor.extract_keywords(text)] for text in texts]

    told: dict[str, float] = {}
    readers: dict[str, Callable[[], list[list[str]]]] = {"Sagebrush": ours, "YAKE": theirs}
    for name, read in readers.items():
        start = time.perf_counter()
        found = read()
        rate = len(texts) / (time.perf_counter() - start)
        scores = [f1(each, row["keyphrases"]) for each, row in zip(found, rows, strict=True)]
        told[name] = sum(scores) / len(scores)
        print(f"{name:10} F1@{FIRST} {told[name]:.3f}  {rate:6.1f} texts/s")
    print(f"ratio      F1@{FIRST} {told['Sagebrush'] / told['YAKE']:.2f}  ({len(texts)} texts)")


if __name__ == "__main__":
    main()
