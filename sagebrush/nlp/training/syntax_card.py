"""The card of the model of syntax: what it is made of, what it reaches, and what it cannot do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..syntax.tagger import GRAPH
from .figures_table import card

CARD = "syntax.md"
TEXT = """# The model of syntax
Parts of speech (Universal Dependencies' tags, X as `O`) and base noun phrases of English texts: states of
some layers of the shared encoder, beside vectors of each token's looks, two convolutions and a softmax.
Tokens are cut by rules, which are part of the program.

## Licence
**`syntax.onnx` and `syntax.json` are under CC BY-SA 4.0**, apart from the program and all other models
(Apache-2.0), since they were learned from a treebank under that licence:
https://creativecommons.org/licenses/by-sa/4.0/. Whoever passes them on, also changed, does so under the
same licence and names: Universal Dependencies English Web Treebank, Silveira et al. 2014, "A Gold Standard
Dependency Corpus for English" (LREC), and that it was used to train these files.

## Made of
| what | licence | source |
|---|---|---|
| UD English EWT, part train: 12,544 sentences, 204,577 words | CC BY-SA 4.0 | UniversalDependencies/UD_English-EWT |
| the shared encoder's states (see `encoder.md`), not changed | Apache-2.0 | |

Noun phrases are those of the treebank's dependencies: a noun, name or number with its determiners,
modifiers, compounds and possessors; what follows a preposition, and clauses, are others.

## Known weaknesses
- English alone. Words of other languages are tagged as if they were English.
- Words that are written together by mistake (*iwas*, *its* for *it's*) stay one token.
- A text wholly in capitals, or without any, has more errors, most between NOUN, PROPN and ADJ.
- Phrases with an `of` are two; lists of names with commas are sometimes one.
- Figures are of the part dev from its raw text, on which also the temperatures were fitted.
"""
EXPLAINED = {
    "upos_gold_tokens": "parts of speech, of the treebank's own tokens: accuracy",
    "tokens_f1": "tokens of raw text: F1",
    "upos_f1": "tokens of raw text with their parts of speech: F1 (UPOS of the CoNLL 2018 shared task)",
    "upos_calibration_error": "expected calibration error of their scores",
    "phrases_f1": "noun phrases of raw text, both ends right: F1",
    "phrases_calibration_error": "expected calibration error of their scores",
}


def write(folder: Path, figures: Mapping[str, float]) -> None:
    """The card lies beside the model."""
    (folder / CARD).write_text(card(TEXT, figures, EXPLAINED, folder / GRAPH), encoding="utf-8")
