"""The copy of a text for the vocabulary, and the way back."""

from __future__ import annotations

import random

from sagebrush.nlp.text.rewriting import rewrite


def test_emoji_become_words_of_their_names() -> None:
    copy = rewrite("Great 😂!")
    assert copy.text.split() == ["Great", "face", "tears", "joy", "!"]
    begin = copy.text.index("tears")
    assert copy.original(begin, begin + 5) == (6, 7)
    assert copy.emoji == {6}


def test_modifiers_say_nothing_and_flags_are_one_word() -> None:
    assert rewrite("👍🏽").text.split() == ["thumbs", "up"]
    assert rewrite("🇺🇸 wins").text.split() == ["flag", "wins"]


def test_addresses_become_one_word_without_the_end_of_the_sentence() -> None:
    text = "See https://example.org/a?b=1. Or www.example.org!"
    copy = rewrite(text)
    assert copy.text == "See http. Or http!"
    begin = copy.text.index("http")
    found = copy.original(begin, begin + 4)
    assert text[found[0] : found[1]] == "https://example.org/a?b=1"


def test_plain_texts_are_not_copied() -> None:
    for text in ("Plain text.", "Été à Zürich", ""):
        copy = rewrite(text)
        assert copy.text is text
        assert copy.begins is None


def test_every_character_stands_for_some_of_the_text_in_order() -> None:
    chance = random.Random(3)
    alphabet = [
        *"ab. \n",
        "😂",
        "🏽",
        "🇺",
        "🇸",
        "\u0301",
        "\u200d",
        "☀",
        "\ufe0f",
        "http://a.b/c",
        "é",
    ]
    for _ in range(300):
        text = "".join(chance.choice(alphabet) for _ in range(chance.randrange(30)))
        copy = rewrite(text)
        places = [copy.original(at, at + 1) for at in range(len(copy.text))]
        assert all(0 <= begin < end <= len(text) for begin, end in places)
        assert places == sorted(places)
        for character, (begin, end) in zip(copy.text, places, strict=True):
            assert end - begin > 1 or text[begin:end] == character or copy.begins is not None


def test_long_runs_take_linear_time() -> None:
    for piece in ("www.", "http://", "http://a ", "😂", "!", "www.!"):
        rewrite(piece * 20_000)
