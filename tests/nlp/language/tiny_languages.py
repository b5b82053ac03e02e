"""A tiny model of languages, counted with numpy alone."""

from __future__ import annotations

import numpy

from sagebrush.nlp.language.letters import kinds_of_unicode, letters
from sagebrush.nlp.language.model import LanguageModel, runs_of
from sagebrush.nlp.language.ngrams import ngrams

BITS = 14
TEXTS = {
    "de": "der hund läuft über die straße und die katze schläft auf dem sofa während es regnet",
    "en": "the dog runs across the street and the cat sleeps on the sofa while it is raining",
    "he": "הכלב רץ ברחוב והחתול ישן על הספה בזמן שיורד גשם",
    "nb": "jeg bor i byen og hunden løper over gaten mens katten sover på sofaen",
    "nn": "eg bur i byen og hunden spring over gata medan katten søv i sofaen",
    "zh": "我们在学校学习汉语 老师很好 今天下雨 我們在學校學習",
}


def model() -> LanguageModel:
    """Naive Bayes over TEXTS."""
    kinds = kinds_of_unicode()
    names = sorted(TEXTS)
    counts = numpy.zeros((1 << BITS, len(names)))
    points = []
    for at, name in enumerate(names):
        codes = letters(TEXTS[name], kinds).codes
        points.append(codes)
        numpy.add.at(counts[:, at], ngrams(codes, BITS)[1], 1)
    totals = counts.sum(0)
    buckets, owners = numpy.nonzero(counts)
    unseen = numpy.log(0.1 / (totals + 0.1 * (1 << BITS)))
    return LanguageModel(
        languages=numpy.array(names),
        widths=numpy.bincount(buckets, minlength=1 << BITS).astype(numpy.uint8),
        owners=owners.astype(numpy.uint8),
        weights=numpy.round(numpy.log(counts[buckets, owners] / 0.1 + 1) / 0.1).astype(numpy.int8),
        step=numpy.array(0.1, numpy.float32),
        unseen=(unseen - unseen.mean()).astype(numpy.float32),
        bias=numpy.zeros(len(names), numpy.float32),
        scale=numpy.array([1.0, 0.5], numpy.float32),
        prior=numpy.zeros(len(names), numpy.float32),
        kinds=runs_of(kinds),
        blocks=numpy.unique(numpy.concatenate(points) >> 7).astype(numpy.int32),
        traditional=numpy.array([ord("們"), ord("學"), ord("習")], numpy.int32),
        simplified=numpy.array([ord("们"), ord("学"), ord("习")], numpy.int32),
    )
