"""The opinion lexicon and VADER's with a few words each, in the files that NLTK keeps them in."""

from __future__ import annotations

import zipfile
from pathlib import Path

VADER = {
    "great": 3.1,
    "please": 1.3,
    "please?": 0.2,
    ":)": 2.0,
    ":(": -1.9,
    ":|": -0.4,
    "lol": 1.8,
    "(-;": 1.3,
}


def write(data: Path) -> None:
    """Both lexicons lie below `data`."""
    folder = data / "nltk_data"
    for name in ("sentiment", "corpora"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "sentiment" / "vader_lexicon.zip", "w") as kept:
        lines = [f"{word}\t{strength}\t0.5\t[1, 2]" for word, strength in VADER.items()]
        kept.writestr("vader_lexicon/vader_lexicon.txt", "\n".join(lines))
    with zipfile.ZipFile(folder / "corpora" / "opinion_lexicon.zip", "w") as kept:
        kept.writestr("opinion_lexicon/positive-words.txt", "; words\n\ngood\nlovely\n")
        kept.writestr("opinion_lexicon/negative-words.txt", "; words\n\nbad\ncold\n")
