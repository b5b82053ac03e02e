"""WordPiece tokens of texts with their offsets, words and shapes: what the encoder reads.

The vocabulary is uncased (lower-cased, without accents); `shapes` gives back what that loses. A word is
what BERT's pre-tokeniser makes: a run of letters and digits, or one mark of punctuation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy

from . import shapes
from .rewriting import Rewritten, rewrite

BEGIN = 101
"""[CLS], the first token of what the encoder reads."""
END = 102
"""[SEP], the last one."""
PAD = 0


@dataclass(frozen=True)
class Tokens:
    """A text's tokens, without [CLS] and [SEP]; all arrays are as long as there are tokens.

    Token i is `text[begins[i]:ends[i]]` of the original text, has the id `ids[i]` in the vocabulary,
    belongs to the word `words[i]` (counted from 0) and has that word's shape.
    """

    ids: numpy.ndarray
    begins: numpy.ndarray
    ends: numpy.ndarray
    words: numpy.ndarray
    shapes: numpy.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, first: int, last: int) -> Tokens:
        """The tokens `[first, last)`."""
        cut = slice(first, last)
        return Tokens(
            self.ids[cut], self.begins[cut], self.ends[cut], self.words[cut], self.shapes[cut]
        )


class Reader:
    """Makes tokens of texts, by the tokenizer.json of the encoder."""

    def __init__(self, file: Path) -> None:
        # What only holds or cuts tokens needs no tokenizer.
        from tokenizers import Tokenizer  # pyright: ignore[reportMissingImports]

        self._tokenizer = Tokenizer.from_file(str(file))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer.encode_special_tokens = True  # "[SEP]" in a text is punctuation

    def read(self, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of each text; of no text are there any where it has only spaces."""
        copies = [rewrite(text) for text in texts]
        encoded = self._tokenizer.encode_batch(
            [copy.text for copy in copies], add_special_tokens=False
        )
        return [
            _tokens(text, copy, each)
            for text, copy, each in zip(texts, copies, encoded, strict=True)
        ]


def _tokens(text: str, copy: Rewritten, encoded: object) -> Tokens:
    offsets: list[tuple[int, int]] = encoded.offsets  # pyright: ignore[reportAttributeAccessIssue]
    words: list[int] = encoded.word_ids  # pyright: ignore[reportAttributeAccessIssue]
    ids: list[int] = encoded.ids  # pyright: ignore[reportAttributeAccessIssue]
    places = [copy.original(begin, end) for begin, end in offsets]
    spans: list[tuple[int, int]] = []
    for word, (begin, end) in zip(words, places, strict=True):
        if word == len(spans):
            spans.append((begin, end))
        else:
            spans[word] = (spans[word][0], end)
    kinds = shapes.shapes(text, spans)
    for at, (begin, end) in enumerate(spans):
        if begin in copy.emoji:
            kinds[at] = shapes.EMOJI
        elif (
            copy.begins is not None and end - begin > 4 and text[begin : begin + 4].lower() in _WEB
        ):
            kinds[at] = shapes.URL
    return Tokens(
        numpy.array(ids, numpy.int32),
        numpy.array([begin for begin, _ in places], numpy.int32),
        numpy.array([end for _, end in places], numpy.int32),
        numpy.array(words, numpy.int32),
        numpy.array([kinds[word] for word in words], numpy.int32),
    )


_WEB = ("http", "www.")
