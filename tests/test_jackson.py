"""What is wrong with a text, in the words of AWS's JSON parser."""

from __future__ import annotations

import json

import pytest

from sagebrush import jackson


@pytest.mark.parametrize(
    ("text", "words", "after"),
    [
        ("not", "Unrecognized token 'not': was expecting (JSON String", "not"),
        ('{"a": 1} x', "Unrecognized token 'x'", '{"a": 1} x'),
        ("[1,]", "Unexpected character (']' (code 93)): expected a valid value", "[1,"),
        ('{"a": 1, }', "Unexpected character ('}' (code 125)): was expecting double-quote", '{"a": 1, '),
        ("{'a': 1}", "Unexpected character (''' (code 39)): was expecting double-quote", "{"),
        ('{"a" 1}', "Unexpected character ('1' (code 49)): was expecting a colon", '{"a" '),
        ('{"a": 1 "b"}', "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries", '{"a": 1 '),
        ("[1 2]", "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries", "[1 "),
        ("[", 'Unexpected end-of-input: expected close marker for Array (start marker at [Source: (String)"["; line: 1, column: 1])', "["),
        ('[{"a": "b"', "Unexpected end-of-input: expected close marker for Object (start marker at", '[{"a": "b"'),
        ('[{"a": "b"}', "Unexpected end-of-input: expected close marker for Array (start marker at", '[{"a": "b"}'),
        ("[1,", "Unexpected end-of-input within/between Array entries", "[1,"),
        ('{"a": 1, ', "Unexpected end-of-input within/between Object entries", '{"a": 1, '),
        ('{"a"', "Unexpected end-of-input within/between Object entries", '{"a"'),
        ('{"a":', "Unexpected end-of-input within/between Object entries", '{"a":'),
        ('{"a', "Unexpected end-of-input in field name", '{"a'),
        ('{"a": 1, "b', "Unexpected end-of-input in field name", '{"a": 1, "b'),
        ('{"a": "b', "Unexpected end-of-input: was expecting closing quote for a string value", '{"a": "b'),
        ('["b', "Unexpected end-of-input: was expecting closing quote for a string value", '["b'),
        ('"a\nb"', "Illegal unquoted character ((CTRL-CHAR, code 10)): has to be", '"a\n'),
        ('"a\\x"', "Unrecognized character escape 'x' (code 120)", '"a\\'),
    ],
)  # fmt: skip
def test_words_and_places(text: str, words: str, after: str) -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads(text)
    found, at = jackson.told(text, caught.value)
    assert found.startswith(words)
    assert text[:at] == after


def test_a_place_shows_the_beginning_of_a_long_text() -> None:
    assert jackson.place("String", "a\nbc", 3) == '[Source: (String)"a\nbc"; line: 2, column: 2]'
    long = "x" * 600
    shown = f'[Source: (byte[])"{"x" * 500}"[truncated {{}}]; line: 1, column: 601]'
    assert jackson.place("byte[]", long, 600) == shown.format("100 chars")
    assert jackson.place("byte[]", long, 600, "200 bytes") == shown.format("200 bytes")
