"""Examples as arrays: which classes words may have, which tokens targets have, and batches."""

from __future__ import annotations

import random
import re
from typing import Any

import numpy

from sagebrush.nlp.spans import Span
from sagebrush.nlp.text.tokens import Tokens
from sagebrush.nlp.training.encoding import batches, encode
from sagebrush.nlp.training.tasks import Example, Kind, Task


class Pieces:
    """A reader whose tokens are pieces of three letters."""

    def read(self, texts: list[str]) -> list[Tokens]:
        return [self._read(text) for text in texts]

    def _read(self, text: str) -> Tokens:
        rows = [
            (at, min(at + 3, found.end()), word)
            for word, found in enumerate(re.finditer(r"\w+|[^\w\s]", text))
            for at in range(found.start(), found.end(), 3)
        ]
        table = numpy.array(rows, numpy.int32).reshape(-1, 3)
        ones = numpy.ones(len(rows), numpy.int32)
        return Tokens(ones, table[:, 0], table[:, 1], table[:, 2], ones)


READER: Any = Pieces()
NAMES = Task("names", Kind.TOKENS, ("PERSON", "TITLE"), [], [])
# Classes: O, B-PERSON, I-PERSON, B-TITLE, I-TITLE.


def test_words_of_spans_begin_and_go_on() -> None:
    example = Example("Anna Smith sings.", spans=(Span(0, 10, "PERSON"),))
    (told,) = encode(NAMES, [example], READER)
    assert told.allowed.tolist() == [
        [0, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [1, 0, 0, 0, 0],
        [1, 0, 0, 0, 0],
    ]
    assert told.places.tolist() == [1, 3, 5, 7]


def test_words_outside_may_be_what_the_set_does_not_tell() -> None:
    example = Example("Anna sings", spans=(Span(0, 4, "PERSON"),), known=frozenset({"PERSON"}))
    (told,) = encode(NAMES, [example], READER)
    assert told.allowed.tolist() == [[0, 1, 0, 0, 0], [1, 0, 0, 1, 1]]


def test_a_target_is_marked_also_far_into_a_text() -> None:
    task = Task("targeted", Kind.TARGET, ("POSITIVE", "NEGATIVE"), [], [])
    text = "so " * 300 + "Berlin shines"
    example = Example(text, ("POSITIVE",), (Span(900, 906, "TARGET"),))
    (told,) = encode(task, [example], READER)
    assert len(told) == 128
    marked = numpy.flatnonzero(told.types)
    assert told.tokens.begins[marked - 1].tolist() == [900, 903]


def test_a_label_that_is_not_known_is_not_trained() -> None:
    task = Task("toxicity", Kind.MULTIPLE, ("A", "B", "C"), [], [])
    example = Example("Anna", ("A",), known=frozenset({"A", "B"}))
    (told,) = encode(task, [example], READER)
    assert told.allowed.tolist() == [[1, 0, -1]]


def test_texts_without_tokens_are_left_out() -> None:
    assert encode(NAMES, [Example("  "), Example("")], READER) == []


def test_batches_hold_every_example_once_with_next_to_no_padding() -> None:
    chance = random.Random(1)
    examples = [Example("ab " * chance.randrange(1, 60)) for _ in range(500)]
    task = Task("any", Kind.SINGLE, ("A",), [], [])
    encoded = encode(task, examples, READER)
    made = list(batches(encoded, 200, chance))
    assert sorted(id(each) for batch in made for each in batch) == sorted(map(id, encoded))
    room = sum(len(batch) * max(map(len, batch)) for batch in made)
    assert sum(map(len, encoded)) / room > 0.9
    assert all(len(batch) == 1 or len(batch) * max(map(len, batch)) <= 200 for batch in made)
