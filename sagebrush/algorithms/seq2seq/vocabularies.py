"""The two vocabularies of a translation: words to numbers, as AWS's converter writes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contract.errors import ClientError

PAD, UNKNOWN, BEGIN, END = "<pad>", "<unk>", "<s>", "</s>"
SYMBOLS = (PAD, UNKNOWN, BEGIN, END)
"""The first words of a vocabulary, with the numbers 0 to 3."""
SOURCE, TARGET = "vocab.src.json", "vocab.trg.json"


@dataclass(frozen=True)
class Vocabulary:
    """Words and their numbers, both ways."""

    numbers: dict[str, int]
    words: tuple[str, ...]

    def encode(self, words: Sequence[str]) -> list[int]:
        """The words' numbers; a word that is not known has that of `<unk>`."""
        unknown = self.numbers[UNKNOWN]
        return [self.numbers.get(word, unknown) for word in words]

    def decode(self, numbers: Sequence[int]) -> list[str]:
        """The words of `numbers`."""
        return [self.words[number] for number in numbers]

    def __len__(self) -> int:
        return len(self.words)


def load(file: Path) -> Vocabulary:
    """The vocabulary in a JSON file {word: number}; raises ClientError for what is none.

    Its numbers are 0 to its size - 1, each once, and the four symbols are among its words, `<pad>`
    as 0.
    """
    try:
        numbers = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ClientError(
            f"The channel 'vocab' must hold {SOURCE} and {TARGET}: {file.name} is missing"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ClientError(f"{file.name} is not JSON: {error}") from None
    if not isinstance(numbers, dict) or not all(
        isinstance(n, int) and not isinstance(n, bool) for n in numbers.values()
    ):
        raise ClientError(f"{file.name} must be an object of words and their numbers")
    if missing := [symbol for symbol in SYMBOLS if symbol not in numbers]:
        raise ClientError(f"{file.name} lacks the symbols {', '.join(missing)}")
    if sorted(numbers.values()) != list(range(len(numbers))):
        raise ClientError(f"{file.name} must number its words from 0 to {len(numbers) - 1}")
    if numbers[PAD] != 0:
        raise ClientError(f"{file.name}: {PAD} must have the number 0, not {numbers[PAD]}")
    words = sorted(numbers, key=numbers.__getitem__)
    return Vocabulary(numbers, tuple(words))
