"""The card of the language model: what it is made of, what it reaches, and what it cannot do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..language.codes import LISTED, UNKNOWN
from ..language.model import FILE
from .figures_table import card

CARD = "language.md"
TEXT = """# The language model
Hashed n-grams of 1 to 5 letters within words, whole words and blocks of scripts (2^21 buckets): naive
Bayes' sums in a sparse table, moved by Adagrad so that they tell languages apart with half of a text's
n-grams hidden; read by numpy alone. Licence: Apache-2.0, as the program's.

## Made of
| what | licence | source |
|---|---|---|
| Common Voice's sentences, 1,500 of a language at most | CC0 1.0 | Ardila et al. 2020 |
| lingua's test data: sentences, word pairs and words, 300 of each for 75 languages | Apache-2.0; sentences CC BY (Leipzig Corpora Collection) | Stahl, lingua-py |
| Universal Declaration of Human Rights, 22 languages | public domain | Unicode, by NLTK |
| Tatoeba, English, German, French, Japanese: 12,000 of each at most | CC BY 2.0 FR | tatoeba.org |
| banking77, English | CC BY 4.0 | Casanueva et al. 2020 |
| clinc150, English | CC BY 3.0 | Larson et al. 2019 |
| GoEmotions, English | Apache-2.0 | Demszky et al. 2020 |

Characters of traditional or simplified Chinese alone are those of one of Big5 and GB 2312.

## Languages
{languages}
Both forms of Norwegian are answered as `no`, both Kurdish languages as `ku`, since its guide lists one
code for each. Of those that Comprehend lists, it does not know {unknown}: no text of a free licence was at hand. It also knows
languages that Comprehend does not list, and answers their own codes: {more}.

## Scores
Chances from a softmax whose sums are divided by a power of the number of n-grams, both fitted on
validation data; languages that Comprehend's other operations take, and Russian, are {common} likelier
before a text is read, those that it does not list {rare} less. Scores of a text sum to 1 at most; below
0.01 they are left out. A text without letters, or of a script that the model does not know, has no
language: an empty list (what AWS answers to such a text could not be looked up).

## Known weaknesses
- Figures are of the validation part, 22,281 texts, on which the scores' scale was fitted.
- Single words belong to many languages; AWS advises 20 characters at least.
- Bosnian and Croatian, Indonesian and Malay, both forms of Norwegian, Czech and Slovak, Zulu and Xhosa
  are taken for each other most.
- Of {few} there was the Declaration alone: formal words, some 10,000 letters. How well other texts of
  them are told was not measured; short Yiddish ones are often taken for Hebrew.
- Languages are told by their own script alone: no romanised Japanese or Hindi.
- Of a text beyond 4,096 letters, 16 stretches are read at even distances.
"""
EXPLAINED = {
    "sentences_classes": "sentences, 75 languages, Bokmål and Nynorsk apart",
    "sentences_codes": "sentences, by Comprehend's codes",
    "word-pairs_classes": "word pairs, Bokmål and Nynorsk apart",
    "word-pairs_codes": "word pairs, by Comprehend's codes",
    "single-words_classes": "single words, Bokmål and Nynorsk apart",
    "single-words_codes": "single words, by Comprehend's codes",
    "calibration_error": "expected calibration error of the first score, all three kinds",
    "declaration_lines": "lines of the Declaration that were held back, 22 languages",
}


def write(
    folder: Path,
    figures: Mapping[str, float],
    languages: set[str],
    declared: set[str],
    priors: tuple[str, str],
) -> None:
    """The card lies beside the model. Figures are accuracy on the validation part, 22,281 texts, which also
    chose the scale and the priors."""
    known = sorted((languages & LISTED) | {"zh-TW"})
    text = TEXT.format(
        languages=f"Of the {len(LISTED)} that Comprehend lists it knows {len(known)}: {', '.join(known)}.",
        unknown=", ".join(sorted(UNKNOWN)),
        more=", ".join(sorted(languages - LISTED)),
        few=", ".join(sorted(declared)),
        common=priors[0],
        rare=priors[1],
    )
    (folder / CARD).write_text(card(text, figures, EXPLAINED, folder / FILE), encoding="utf-8")
