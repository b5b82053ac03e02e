"""The user's own file of texts, by which a model is compared before and after."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagebrush.commands.running import CommandError

QUESTION = "question-answering"
DOCUMENTED = 200
"""Sentences of AWS's documentation, where the user gives no texts."""


@dataclass(frozen=True)
class Rows:
    """Texts, each with the right answer as `label` or all without."""

    rows: Sequence[Mapping[str, str]]
    total: int
    """Rows of the file, of which `rows` may be a part."""
    told: str
    """What they are, for people."""

    @property
    def labelled(self) -> bool:
        """Whether the right answers are known."""
        return bool(self.rows) and all("label" in row for row in self.rows)


def read(file: Path, task: str, most: int) -> Rows:
    """The rows of a CSV or JSON Lines file, at most `most`, evenly spread; raises CommandError.

    Columns `text` and, for accuracy, `label`; for question-answering `question`, `context` and
    `answer`.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read: {error}") from error
    if file.suffix in (".jsonl", ".json", ".ndjson"):
        docs = [_object(file, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    else:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            docs = list(csv.DictReader(opened))
    needed = ("question", "context") if task == QUESTION else ("text",)
    right = "answer" if task == QUESTION else "label"
    made = []
    for number, doc in enumerate(docs, 1):
        lacking = [name for name in needed if not doc.get(name)]
        if lacking:
            has = ", ".join(map(str, doc)) or "none"
            raise CommandError(f"{file}, row {number}: no {lacking[0]} (its columns: {has})")
        row = {name: str(doc[name]) for name in needed}
        made.append(row if doc.get(right) in (None, "") else {**row, "label": str(doc[right])})
    if not made:
        raise CommandError(f"{file} has no rows: it needs the columns {', '.join(needed)}")
    if 0 < sum("label" in row for row in made) < len(made):
        without = next(n for n, row in enumerate(made, 1) if "label" not in row)
        raise CommandError(f"{file}, row {without}: no {right}, though others have one")
    step = max(1, -(-len(made) // most))
    part = made[::step]
    every = f", every {_nth(step)} of {len(made):,}" if step > 1 else ""
    kind = "labelled texts" if "label" in made[0] else "texts without labels"
    return Rows(part, len(made), f"{len(part):,} {kind} of {file.name}{every}")


def _nth(number: int) -> str:
    return {2: "2nd", 3: "3rd"}.get(number, f"{number}th")


def _object(file: Path, number: int, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise CommandError(f"{file}, line {number} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise CommandError(f"{file}, line {number} is no JSON object")
    return found


def documentation() -> Rows:
    """Sentences of AWS's API documentation, which botocore carries: real texts, no labels."""
    from sagebrush.quickstart import texts

    found = texts.aws_documentation()
    part = found[:: max(1, len(found) // DOCUMENTED)][:DOCUMENTED]
    told = f"{len(part)} sentences of AWS's documentation (not your texts: --data names a file)"
    return Rows([{"text": each.text} for each in part], len(found), told)
