"""The quickstart's labelled texts: AWS's own API documentation, or a user's CSV file; and its split."""

from __future__ import annotations

import csv
import html
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SEED = 2026
SERVICES = 20
LEAST_WORDS = 4
LEAST_PER_LABEL = 5
LEAST_ROWS = 20
TEST_SHARE = 0.2
VALIDATION_SHARE = 0.05

NEAR_TWINS = frozenset({"waf", "waf-regional", "s3control"})
"""WAF Classic's two editions differ only in their name, and S3 Control repeats S3."""
TWIN_SHARE = 0.05
"""A service that shares more than this of its sentences with a larger one is a near-twin too."""

PREFIX = "__label__"
"""The prefix by which BlazingText recognises a label."""

_TAG = re.compile(r"<[^>]+>")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_TOKEN = re.compile(r"\w+(?:['’_-]\w+)*|[^\w\s]")


class BadData(ValueError):
    """The text file cannot be used; the message says why and how to cure it."""


@dataclass(frozen=True)
class Example:
    """A text with its label. Examples of one `group` stay on one side of the split."""

    label: str
    text: str
    group: str


@dataclass(frozen=True)
class Split:
    """Three parts that share no group and no text."""

    train: Sequence[Example]
    validation: Sequence[Example]
    test: Sequence[Example]

    @property
    def labels(self) -> list[str]:
        """Every label, in alphabetical order."""
        return sorted({example.label for example in self.train})

    @property
    def majority(self) -> str:
        """The most frequent label of the training part."""
        return Counter(example.label for example in self.train).most_common(1)[0][0]


def tokens(text: str) -> str:
    """The text as BlazingText wants it: lower case, words and punctuation separated by spaces.

    No token begins with BlazingText's label prefix, whatever the text is.
    """
    return " ".join(_TOKEN.findall(text.lower().replace(PREFIX, " label ")))


def sentences(documentation: str) -> list[str]:
    """The sentences of four words or more in an operation's documentation, without its HTML."""
    text = " ".join(html.unescape(_TAG.sub(" ", documentation)).split())
    return [s for s in _SENTENCE_END.split(text) if len(s.split()) >= LEAST_WORDS]


def aws_documentation() -> list[Example]:
    """The sentences of AWS's API documentation (in botocore's models), labelled by service.

    The services with the most words in their operations' texts, near-twins left out.
    """
    found = {service: dict(_operations(service)) for service in _services()}
    words = {service: _words(operations.values()) for service, operations in found.items()}
    chosen = largest(found, words)
    return [
        Example(service, sentence, f"{service}.{operation}")
        for service in chosen
        for operation, said in sorted(found[service].items())
        for sentence in said
    ]


def largest(
    found: Mapping[str, Mapping[str, Collection[str]]], words: Mapping[str, int]
) -> list[str]:
    """The services with the most words, the largest first, without near-twins."""
    chosen: dict[str, set[str]] = {}
    for service in sorted(found, key=lambda name: (-words[name], name)):
        distinct = {tokens(s) for said in found[service].values() for s in said}
        if not distinct or service in NEAR_TWINS:
            continue
        shared = max((len(distinct & other) for other in chosen.values()), default=0)
        if shared <= TWIN_SHARE * len(distinct):
            chosen[service] = distinct
        if len(chosen) == SERVICES:
            break
    return list(chosen)


def _services() -> list[str]:
    import botocore.session

    return botocore.session.Session().get_available_services()


def _operations(service: str) -> Iterable[tuple[str, list[str]]]:
    """(operation, its sentences); read as plain data, since shapes are not needed."""
    import botocore.loaders

    # One loader would keep every model; `load_service_model` would list all services for each.
    loader = botocore.loaders.Loader()
    version = loader.determine_latest_version(service, "service-2")
    model = loader.load_data(f"{service}/{version}/service-2")
    for name, operation in model["operations"].items():
        yield name, sentences(operation.get("documentation", ""))


def _words(said: Iterable[Collection[str]]) -> int:
    return sum(len(sentence.split()) for found in said for sentence in found)


def from_csv(path: Path) -> list[Example]:
    """The rows of a CSV file with the columns `text` and `label`; raises BadData."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            columns = {(name or "").strip().lower(): name for name in rows.fieldnames or ()}
            missing = [name for name in ("text", "label") if name not in columns]
            if missing:
                there = ", ".join(rows.fieldnames or ()) or "no header line"
                raise BadData(
                    f"{path}: no column {' and no column '.join(map(repr, missing))} (found: {there}). "
                    "The first line must name the columns text and label."
                )
            pairs = [(row[columns["text"]], row[columns["label"]]) for row in rows]
    except OSError as error:
        raise BadData(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadData(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except csv.Error as error:
        raise BadData(f"{path}: not a CSV file: {error}") from error
    examples = [
        Example("_".join(label.split()), text, tokens(text))
        for text, label in pairs
        if text and label and tokens(text) and label.strip()
    ]
    _check(path, examples)
    return examples


def _check(path: Path, examples: Sequence[Example]) -> None:
    """Raises BadData when nothing can be learned or measured from the rows that `split` keeps."""
    texts: dict[str, set[str]] = defaultdict(set)
    labels = Counter(group for group, _ in {(e.group, e.label) for e in examples})
    for example in examples:
        texts[example.label] |= {example.group} if labels[example.group] == 1 else set()
    rows = sum(map(len, texts.values()))
    if rows < LEAST_ROWS:
        raise BadData(
            f"{path}: {rows} different texts with one label each; at least {LEAST_ROWS} needed"
        )
    if len(texts) < 2:
        raise BadData(f"{path}: every row has the label {min(texts)!r}; two labels needed at least")
    few = [f"{label} ({len(t)})" for label, t in sorted(texts.items()) if len(t) < LEAST_PER_LABEL]
    if few:
        more = f" and {len(few) - 5} more" if len(few) > 5 else ""
        raise BadData(
            f"{path}: fewer than {LEAST_PER_LABEL} different texts for the label "
            f"{', '.join(few[:5])}{more}. Add rows, or join rare labels into one."
        )


def split(examples: Sequence[Example], seed: int = SEED) -> Split:
    """Train, validation and test parts: whole groups, by label; each text once.

    A text with two labels is left out: it could not be classified.
    """
    labels: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        labels[tokens(example.text)].add(example.label)
    groups: dict[str, dict[str, list[Example]]] = defaultdict(lambda: defaultdict(list))
    seen: set[str] = set()
    for example in examples:
        text = tokens(example.text)
        if text not in seen and len(labels[text]) == 1:
            seen.add(text)
            groups[example.label][example.group].append(example)
    order = random.Random(seed)
    parts: tuple[list[Example], list[Example], list[Example]] = ([], [], [])
    for label in sorted(groups):
        names = sorted(groups[label])
        order.shuffle(names)
        for part, group in zip(_sides([len(groups[label][n]) for n in names]), names, strict=True):
            parts[part].extend(groups[label][group])
    for part in parts:
        order.shuffle(part)
    return Split(*parts)


def _sides(sizes: Sequence[int]) -> list[int]:
    """For groups of those sizes, the part of each: 2 (test), 1 (validation) or 0 (train).

    The first groups make up the test part, the next the validation part, at least one each, until
    the part has its share of the texts (a group that would overshoot it by more than half of
    itself goes to the next part); the rest is for training, the last one always.
    """
    total, sides = sum(sizes), []
    left = {2: TEST_SHARE * total, 1: VALIDATION_SHARE * total}
    begun: set[int] = set()
    for place, size in enumerate(sizes):
        last = place == len(sizes) - 1
        open_parts = [part for part in (2, 1) if part not in begun or left[part] > size / 2]
        part = 0 if last or not open_parts else open_parts[0]
        sides.append(part)
        begun.add(part)
        if part:
            left[part] -= size
    return sides
