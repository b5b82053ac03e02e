"""How well a tagger reads a treebank, from raw text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from ..calibration import expected_error
from ..syntax.tagger import Tagger
from .treebank import Paragraph, noun_phrases


def figures(tagger: Tagger, kept: Sequence[Paragraph]) -> dict[str, float]:
    """F1 of tokens, of tokens with their tags (UPOS as in the CoNLL 2018 shared task),
    of noun phrases, and the expected calibration error of the scores of right tokens and of phrases."""
    counts = dict.fromkeys(("words", "told", "tokens", "tags", "phrases", "found"), 0)
    scores, rights, phrase_scores, phrase_rights = [], [], [], []
    for paragraph, analysis in zip(kept, tagger.analyse([each.text for each in kept]), strict=True):
        real = {(word.begin, word.end): word.tag for word in paragraph.words}
        counts["words"] += len(real)
        counts["told"] += len(analysis.tokens)
        for token in analysis.tokens:
            tag = real.get((token.begin, token.end))
            if tag is not None:
                counts["tokens"] += 1
                counts["tags"] += tag == token.tag
                scores.append(token.score)
                rights.append(float(tag == token.tag))
        spans = {
            (paragraph.words[first].begin, paragraph.words[last - 1].end)
            for first, last in noun_phrases(paragraph.words)
        }
        counts["phrases"] += len(spans)
        counts["found"] += len(analysis.phrases)
        for phrase in analysis.phrases:
            phrase_scores.append(phrase.score)
            phrase_rights.append(float((phrase.begin, phrase.end) in spans))
    both = counts["words"] + counts["told"]
    return {
        "tokens_f1": 2 * counts["tokens"] / both,
        "upos_f1": 2 * counts["tags"] / both,
        "upos_calibration_error": expected_error(numpy.array(scores), numpy.array(rights)),
        "phrases_f1": 2 * sum(phrase_rights) / max(1, counts["phrases"] + counts["found"]),
        "phrases_calibration_error": expected_error(
            numpy.array(phrase_scores), numpy.array(phrase_rights)
        ),
    }
