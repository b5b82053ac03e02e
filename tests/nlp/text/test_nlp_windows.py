"""Windows: pieces of a text at the ends of sentences, with no token lost."""

from __future__ import annotations

import random
import re

import numpy

from sagebrush.nlp.text.sentences import sentences
from sagebrush.nlp.text.tokens import Tokens
from sagebrush.nlp.text.windows import windows


def tokens(text: str, size: int = 3) -> Tokens:
    """Tokens of at most `size` letters, as WordPiece might make them."""
    rows = [
        (at, min(at + size, found.end()), word)
        for word, found in enumerate(re.finditer(r"\w+|[^\w\s]", text))
        for at in range(found.start(), found.end(), size)
    ]
    table = numpy.array(rows, numpy.int32).reshape(-1, 3)
    count = numpy.arange(len(rows), dtype=numpy.int32)
    return Tokens(count, table[:, 0], table[:, 1], table[:, 2], count)


def joined(pieces: list[Tokens]) -> list[int]:
    return [int(each) for piece in pieces for each in piece.ids]


def test_a_short_text_is_one_window_and_an_empty_one_none() -> None:
    assert len(windows("A text.", tokens("A text."))) == 1
    assert windows("  ", tokens("  ")) == []


def test_windows_end_with_sentences() -> None:
    text = "One two. Three four. Five six. Seven eight."
    made = windows(text, tokens(text), 9)
    assert [text[piece.begins[0] : piece.ends[-1]] for piece in made] == [
        "One two. Three four.", "Five six. Seven eight.",
    ]  # fmt: skip
    ends = {end for _, end in sentences(text)}
    assert all(int(piece.ends[-1]) in ends for piece in made)


def test_a_long_sentence_is_cut_between_words() -> None:
    text = "abcdefghi " * 20
    for piece in windows(text, tokens(text), 10):
        assert len(piece) <= 10
        assert len(piece) % 3 == 0


def test_a_long_word_is_cut_anywhere() -> None:
    text = "x" * 1000
    made = windows(text, tokens(text), 16)
    assert joined(made) == list(range(334))
    assert max(map(len, made)) == 16


def test_random_texts_lose_no_token() -> None:
    chance = random.Random(11)
    for _ in range(200):
        text = "".join(chance.choice("abc .!?\n") for _ in range(chance.randrange(200)))
        all_tokens = tokens(text)
        longest = chance.randrange(1, 20)
        made = windows(text, all_tokens, longest)
        assert joined(made) == list(range(len(all_tokens)))
        assert all(0 < len(piece) <= longest for piece in made)
