"""Word vectors as text: a token and its numbers on each line, as word2vec, fastText, GloVe and BlazingText
write them; all but GloVe begin with a line of how many there are, of what size."""

from __future__ import annotations


def header(line: bytes) -> tuple[int, int] | None:
    """(vectors, numbers of each) that a file's first line tells; None where it is no such line."""
    parts = line.split()
    if len(parts) != 2 or not all(part.isdigit() for part in parts):
        return None
    return int(parts[0]), int(parts[1])
