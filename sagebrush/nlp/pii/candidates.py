"""What one rule claims of a text, and the copies of the text that rules read."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..grammar.lowering import lowered, with_plain_signs


@dataclass(frozen=True)
class Read:
    """A text as rules read it: three strings of equal length, so that offsets hold in each.

    `text` is as it came, `plain` has one kind of space, hyphen and apostrophe, `lower` is in lower
    case besides.
    """

    text: str
    plain: str = field(init=False, repr=False)
    lower: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plain", with_plain_signs(self.text))
        object.__setattr__(self, "lower", lowered(self.text))


@dataclass(frozen=True)
class Candidate:
    """`text[begin:end]` may be of this type.

    `sure` says that its own form or its check digits prove it; `distance` is how many characters
    lie between it and the word that tells its type, a large number where there is none. `by_word` says
    that such a word alone tells it, without check digits.
    """

    begin: int
    end: int
    label: str
    score: float
    sure: bool = False
    distance: int = 999
    by_word: bool = False
