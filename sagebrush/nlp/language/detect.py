"""The languages of texts with their scores, as DetectDominantLanguage gives them.

    detector = Detector(model.load(folder / model.FILE))
    detector.detect(["It is raining today in Seattle."])   # [[("en", 0.99)]]

A text without letters (digits, emoji, spaces) or in a script that the model does not know has no
language: an empty list. In a text of several languages, each clear part counts by its length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from .codes import TRADITIONAL, code
from .familiar import familiar
from .letters import BREAK, SPACE, Letters, letters
from .model import LanguageModel, Scorer

LEAST = 0.01
"""Scores below are left out, but for the greatest one."""
PART = 20
"""Letters at least of a part that is looked at by itself (sentences together, where they are short)."""
CLEAR = 0.9
"""A part's language differs from the text's where it is at least that likely, …"""
SHARE = 0.1
"""… and where such parts are that much of the text."""
LONGEST = 4096
"""Letters of a text that are read; of a longer one as many, in stretches at even distances."""
STRETCH = 256
KNOWN = 0.75
"""How much of the score the language of a text of well-known words alone takes."""


class Detector:
    """Tells the languages of texts; may be used by several threads."""

    def __init__(self, model: LanguageModel) -> None:
        self._scorer = Scorer(model)
        self._languages = [str(each) for each in model.languages]
        self._forms = {
            **dict.fromkeys(model.traditional.tolist(), 1),
            **dict.fromkeys(model.simplified.tolist(), -1),
        }

    def detect(self, texts: Sequence[str]) -> list[list[tuple[str, float]]]:
        """(code, score) of each text's languages, the likeliest first. Scores sum to 1 at most."""
        told = []
        for text in texts:
            found = self.chances(text)
            scores: dict[str, float] = {}
            for at in numpy.flatnonzero(found > LEAST / 10).tolist():
                name = code(self._languages[at])
                scores[name] = scores.get(name, 0.0) + float(found[at])
            if "zh" in scores:
                scores |= self._written(text, scores.pop("zh"))
            ranked = sorted(scores.items(), key=lambda each: (-each[1], each[0]))
            told.append(ranked[:1] + [each for each in ranked[1:] if each[1] >= LEAST])
        return told

    def chances(self, text: str) -> numpy.ndarray:
        """[languages]: the chance of each class of the model; 0 throughout where there is none."""
        read = _sampled(letters(text, self._scorer.kinds))
        if not read.count:
            return numpy.zeros(len(self._languages))
        found = self._by_letters(read)
        known = familiar(text)
        if known in self._languages:
            found = found * (1 - KNOWN)
            found[self._languages.index(known)] += KNOWN
        return found

    def _by_letters(self, read: Letters) -> numpy.ndarray:
        """The chances by the model, of a text with letters."""
        pieces = _parts(read.codes)
        count = int(pieces[-1]) + 1
        sums, found = self._scorer.sums([read], [pieces], count)
        bias = self._scorer.model.bias
        whole_sums = sums.sum(0, keepdims=True) - (count - 1) * bias
        whole = self._scorer.chances(whole_sums, found.sum(keepdims=True))[0]
        if count == 1:
            return whole
        parts = self._scorer.chances(sums, found)
        share = numpy.bincount(pieces, minlength=count) / len(pieces)
        likeliest = parts.argmax(1)
        foreign = (parts.max(1) >= CLEAR) & (likeliest != whole.argmax())
        if not (numpy.bincount(likeliest, share * foreign) >= SHARE).any():
            return whole
        return (parts * share[:, None]).sum(0)

    def _written(self, text: str, score: float) -> dict[str, float]:
        """Chinese by its written form: characters of one form alone decide; simplified where none is."""
        forms = [self._forms.get(ord(each), 0) for each in text]
        traditional, simplified = forms.count(1), forms.count(-1)
        if traditional == 0:
            return {"zh": score}
        part = traditional / (traditional + simplified)
        return {"zh": score * (1 - part), TRADITIONAL: score * part}


def _parts(codes: numpy.ndarray) -> numpy.ndarray:
    """The part of each letter, from 0: sentences, together until they have PART letters."""
    letter = (codes != SPACE) & (codes != BREAK)
    before = numpy.cumsum(letter)
    breaks = numpy.flatnonzero(codes == BREAK)
    if not len(breaks):
        return numpy.zeros(len(codes), numpy.int64)
    marks = numpy.zeros(len(codes), bool)
    marks[breaks[numpy.diff(before[breaks] // PART, prepend=0) > 0]] = True
    marks &= before < before[-1] - PART // 2  # the last part is no mere rest
    return numpy.cumsum(marks)


def _sampled(read: Letters) -> Letters:
    """At most LONGEST letters of a text, in stretches at even distances."""
    if len(read.codes) <= LONGEST:
        return read
    starts = numpy.linspace(0, len(read.codes) - STRETCH, LONGEST // STRETCH).astype(int)
    chosen = [read.codes[start : start + STRETCH] for start in starts]
    cut = numpy.full(1, BREAK, numpy.uint32)
    codes = numpy.concatenate([each for piece in chosen for each in (cut, piece)] + [cut])
    return Letters(codes, read.count)
