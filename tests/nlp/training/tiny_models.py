"""Trainings of a tiny model of languages and one of syntax: `tiny_models.py FOLDER`.

Needs scipy, torch, onnx and ONNX Runtime. Prints what it found as JSON; `test_tiny_models.py` says what
it must be.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import torch  # pyright: ignore[reportMissingImports]

from sagebrush.nlp.key_phrases import key_phrases, ranked
from sagebrush.nlp.language.detect import Detector
from sagebrush.nlp.syntax.states import States
from sagebrush.nlp.syntax.tagger import Tagger
from sagebrush.nlp.training import language, syntax
from sagebrush.nlp.training.network import Network, write
from tests.nlp.language.tiny_languages import TEXTS

WIDTH = 16
AWKWARD = [
    "", " ", "\x00", "a\x00b dog", "x" * 100_000, "the dog " * 2_000, "e\u0301 e\u0301 dog.\r\nThe cat!",
    "👍🏽 dog 👨‍👩‍👧 cat 🇺🇸", "שלום dog مرحبا", "\u200bdog\u200b \u202ecat", "这是dog。", "can't", "\ud800",
]  # fmt: skip
DETERMINERS, ADJECTIVES = ("the", "a"), ("old", "red", "fast")
NOUNS, VERBS = ("dog", "cat", "engine", "pump"), ("sees", "drives", "finds")


class Words:
    """An encoder that knows words alone: the state of a word is random, and always the same."""

    def hidden(self, texts: Sequence[str]) -> list[States]:
        """The states of the runs of letters."""
        return [self._states(text) for text in texts]

    def _states(self, text: str) -> States:
        begins = [
            at for at, each in enumerate(text) if each.isalpha() and not text[at - 1 : at].isalpha()
        ]
        ends = [
            next((at for at in range(begin, len(text)) if not text[at].isalpha()), len(text))
            for begin in begins
        ]
        rows = [
            numpy.random.default_rng(zlib.crc32(text[a:b].encode("utf-8"))).normal(size=WIDTH)
            for a, b in zip(begins, ends, strict=True)
        ]
        values = numpy.array(rows, numpy.float32).reshape(len(rows), WIDTH)
        return States(numpy.array(begins, int), numpy.array(ends, int), values)


def treebank(folder: Path, name: str, count: int, chooser: random.Random) -> None:
    """Sentences such as "The old dog sees a cat."."""
    blocks = []
    for _ in range(count):
        words = [
            (chooser.choice(DETERMINERS).title(), "DET", 3, "det"),
            (chooser.choice(ADJECTIVES), "ADJ", 3, "amod"),
            (chooser.choice(NOUNS), "NOUN", 4, "nsubj"),
            (chooser.choice(VERBS), "VERB", 0, "root"),
            (chooser.choice(DETERMINERS), "DET", 6, "det"),
            (chooser.choice(NOUNS), "NOUN", 4, "obj"),
            (".", "PUNCT", 4, "punct"),
        ]
        text = " ".join(word for word, _, _, _ in words[:-1]) + "."
        rows = [
            f"{at}\t{word}\t{word}\t{tag}\t_\t_\t{head}\t{relation}\t_\t_"
            for at, (word, tag, head, relation) in enumerate(words, 1)
        ]
        blocks.append("\n".join(["# newpar", f"# text = {text}", *rows]))
    place = folder / "ud_english_ewt" / f"en_ewt-ud-{name}.conllu.gz"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(gzip.compress(("\n\n".join(blocks) + "\n\n").encode()))


def of_syntax(folder: Path) -> dict[str, Any]:
    """A tagger is learned, and reads texts."""
    chooser = random.Random(4)
    treebank(folder, "train", 1500, chooser)
    treebank(folder, "dev", 60, chooser)
    figures = syntax.train(folder, folder / "out", lambda _: None, Words())
    tagger = Tagger(folder / "out", Words())
    text = "The old dog sees a cat."
    analysis = tagger.analyse([text])[0]
    awkward = tagger.analyse(AWKWARD)
    return {
        "figures": dict(figures),
        "tags": [(text[each.begin : each.end], each.tag) for each in analysis.tokens],
        "phrases": [text[each.begin : each.end] for each in key_phrases(text, analysis)],
        "ranked": [words for words, _ in ranked(text, analysis)],
        "same alone": awkward == [tagger.analyse([each])[0] for each in AWKWARD],
        "offsets": all(
            0 <= token.begin < token.end <= len(given) and 0 <= token.score <= 1
            for given, found in zip(AWKWARD, awkward, strict=True)
            for token in found.tokens
        ),
        "counts": [len(each.tokens) for each in awkward],
        "apart": apart(folder),
        "card": (folder / "out" / "syntax.md").read_text(encoding="utf-8").count("CC BY-SA 4.0"),
    }


def apart(folder: Path) -> float:
    """The greatest distance of what a network and its graph compute."""
    import onnxruntime  # pyright: ignore[reportMissingImports]

    model = Network(WIDTH, 5).eval()
    write(model, folder / "net.onnx")
    session = onnxruntime.InferenceSession(
        str(folder / "net.onnx"), providers=["CPUExecutionProvider"]
    )
    given = {
        "looks": numpy.arange(9 * 12, dtype=numpy.int32).reshape(9, 12),
        "states": numpy.linspace(-1, 1, 9 * WIDTH, dtype=numpy.float32).reshape(9, WIDTH),
        "real": numpy.array([1, 1, 1, 0, 0, 1, 1, 1, 1], numpy.float32)[:, None],
    }
    ours = session.run(["tags", "phrases"], given)
    with torch.no_grad():
        theirs = model(*(torch.from_numpy(each) for each in given.values()))
    return max(float(abs(a - b.numpy()).max()) for a, b in zip(ours, theirs, strict=True))


def of_languages() -> dict[str, Any]:
    """A model is learned of three words at a time, and tells the texts' other words."""
    rows = []
    for name in ("de", "en", "he"):
        words = TEXTS[name].split()
        rows += [
            language.Row(name, " ".join(words[at : at + 3]), language.DOMAIN)
            for at in range(len(words) - 2)
        ]
    model = language.fitted(rows, ["de", "en", "he"], 14, lambda _: None)
    detector = Detector(replace(model, scale=numpy.array([1.0, 0.5], numpy.float32)))
    told = detector.detect([TEXTS[name] for name in ("de", "en", "he")])
    return {
        "languages": [each[0][0] for each in told],
        "sums": [sum(s for _, s in each) for each in told],
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps({"syntax": of_syntax(Path(sys.argv[1])), "language": of_languages()}))
