"""A processing job's script: plain parallel text becomes what the algorithm seq2seq trains on.

    python prepare.py --source train.de --target train.en \
        --validation-source valid.de --validation-target valid.en

Files lie in /opt/ml/processing/input (plain or .gz, one sentence a line). /opt/ml/processing/output
gets train/train.rec, validation/val.rec and vocab/vocab.{src,trg}.json, in the format of AWS's
create_vocab_proto.py (RecordIO-protobuf with int32 tensors `source` and `target`). Sentences are
lower-cased and split into words and punctuation marks; `--merges N` also splits rare words into
sub-words by N byte-pair merges (Sennrich et al. 2016), learnt on both languages; `--characters` makes
every character of the source a token, for spelling to sound.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import heapq
import itertools
import json
import re
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

SYMBOLS = ("<pad>", "<unk>", "<s>", "</s>")
MAGIC = 0xCED7230A
JOINED = "@@"
"""What a sub-word ends with that the next one belongs to."""
Merges = dict[tuple[str, str], int]


def lines(file: Path) -> list[str]:
    """The file's lines."""
    opener = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rt", encoding="utf-8") as source:
        return [line.rstrip("\n") for line in source]


def tokens(sentence: str, lower: bool) -> list[str]:
    """Words, numbers and punctuation marks; an apostrophe begins what follows it."""
    text = sentence.lower() if lower else sentence
    return re.findall(r"'\w+|\w+(?:-\w+)*|[^\w\s]", text.replace("\u2019", "'"))


def learn(sentences: Iterable[Sequence[str]], count: int) -> Merges:
    """The `count` most frequent byte-pair merges of the words, with their ranks."""
    words = collections.Counter(word for sentence in sentences for word in sentence)
    split = [[[*word[:-1], word[-1] + "</w>"], times] for word, times in words.items()]
    pairs: collections.Counter[tuple[str, str]] = collections.Counter()
    where: dict[tuple[str, str], set[int]] = collections.defaultdict(set)
    for number, (parts, times) in enumerate(split):
        for pair in itertools.pairwise(parts):
            pairs[pair] += times
            where[pair].add(number)
    # A heap of how often pairs were seen at some time; what is out of date is put back.
    heap = [(-times, pair) for pair, times in pairs.items()]
    heapq.heapify(heap)
    merges: Merges = {}
    while heap and len(merges) < count:
        times, best = heapq.heappop(heap)
        if -times != pairs[best]:
            if pairs[best] > 0:
                heapq.heappush(heap, (-pairs[best], best))
            continue
        if pairs[best] < 2:
            break
        merges[best] = len(merges)
        changed = set()
        for number in where.pop(best):
            parts, times = split[number]
            for pair in itertools.pairwise(parts):
                pairs[pair] -= times
            split[number][0] = parts = joined(parts, best)
            for pair in itertools.pairwise(parts):
                pairs[pair] += times
                where[pair].add(number)
                changed.add(pair)
        for pair in changed:
            heapq.heappush(heap, (-pairs[pair], pair))
    return merges


def joined(parts: Sequence[str], pair: tuple[str, str]) -> list[str]:
    """The parts with every occurrence of the pair made one."""
    found: list[str] = []
    at = 0
    while at < len(parts):
        if at + 1 < len(parts) and (parts[at], parts[at + 1]) == pair:
            found.append(parts[at] + parts[at + 1])
            at += 2
        else:
            found.append(parts[at])
            at += 1
    return found


def sub_words(word: str, merges: Merges) -> list[str]:
    """The word's sub-words; all but the last end with `@@`."""
    parts = [*word[:-1], word[-1] + "</w>"]
    while len(parts) > 1:
        ranks = [merges.get(pair, len(merges)) for pair in itertools.pairwise(parts)]
        best = min(ranks)
        if best == len(merges):
            break
        at = ranks.index(best)
        parts = joined(parts, (parts[at], parts[at + 1]))
    return [*(part + JOINED for part in parts[:-1]), parts[-1].removesuffix("</w>")]


def split_up(sentences: Iterable[Sequence[str]], merges: Merges) -> list[list[str]]:
    """The sentences with their words in sub-words."""
    known: dict[str, list[str]] = {}
    found = []
    for sentence in sentences:
        parts: list[str] = []
        for word in sentence:
            if word not in known:
                known[word] = sub_words(word, merges)
            parts += known[word]
        found.append(parts)
    return found


def vocabulary(sentences: Iterable[Sequence[str]], most: int, least: int) -> dict[str, int]:
    """Tokens and their numbers, the most frequent first, behind the symbols."""
    counts = collections.Counter(token for sentence in sentences for token in sentence)
    ranked = sorted(((-times, token) for token, times in counts.items() if times >= least))
    kept = [token for _, token in ranked if token not in SYMBOLS][:most]
    return {token: number for number, token in enumerate((*SYMBOLS, *kept))}


def record(source: Sequence[int], target: Sequence[int]) -> bytes:
    """One pair as a record of AWS's protobuf format."""
    features = b"".join(
        field(1, field(1, name) + field(2, field(7, field(1, b"".join(map(varint, numbers))))))
        for name, numbers in ((b"source", source), (b"target", target))
    )
    return features


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field of protobuf."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)


def write(
    target: Path,
    pairs: Iterable[tuple[Sequence[str], Sequence[str]]],
    known: Sequence[dict[str, int]],
) -> int:
    """The pairs are in a RecordIO file; returns how many: those with an empty side are left out."""
    target.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with target.open("wb") as out:
        for pair in pairs:
            numbers = [
                [words.get(token, 1) for token in side]
                for side, words in zip(pair, known, strict=True)
            ]
            if not all(numbers):
                continue
            payload = record(*numbers)
            out.write(struct.pack("<II", MAGIC, len(payload)) + payload)
            out.write(b"\0" * (-len(payload) % 4))
            count += 1
    return count


def read(options: argparse.Namespace, source: str, target: str) -> list[list[list[str]]]:
    """The sentences of both files as tokens."""
    texts = [lines(options.input / source), lines(options.input / target)]
    if len(texts[0]) != len(texts[1]):
        raise SystemExit(
            f"{source} has {len(texts[0])} lines and {target} {len(texts[1])}: line for line, each"
            " must be the other's translation"
        )
    lower = not options.keep_case
    sides = [[tokens(line, lower) for line in text] for text in texts]
    if options.characters:
        sides[0] = [list("".join(line.split())) for line in texts[0]]
        sides[1] = [line.split() for line in texts[1]]
    return sides


def main() -> None:
    """The files are written, and their sizes told."""
    asked = argparse.ArgumentParser(description="Plain parallel text to seq2seq's training data.")
    for name in ("source", "target", "validation-source", "validation-target"):
        asked.add_argument(f"--{name}", required=True)
    asked.add_argument("--input", type=Path, default=Path("/opt/ml/processing/input"))
    asked.add_argument("--output", type=Path, default=Path("/opt/ml/processing/output"))
    asked.add_argument("--merges", type=int, default=0, help="byte-pair merges (0: whole words)")
    asked.add_argument("--words", type=int, default=50000, help="size of a vocabulary at most")
    asked.add_argument("--least", type=int, default=1, help="how often a token must occur")
    asked.add_argument("--keep-case", action="store_true")
    asked.add_argument("--characters", action="store_true", help="the source by its characters")
    options = asked.parse_args()
    train = read(options, options.source, options.target)
    held_out = read(options, options.validation_source, options.validation_target)
    vocab = options.output / "vocab"
    vocab.mkdir(parents=True, exist_ok=True)
    if options.merges:
        merges = learn([*train[0], *train[1]], options.merges)
        train = [split_up(side, merges) for side in train]
        held_out = [split_up(side, merges) for side in held_out]
        # Beside the vocabularies, not among them: who asks the endpoint splits in the same way.
        text = "\n".join(" ".join(pair) for pair in merges)
        (options.output / "merges").mkdir(exist_ok=True)
        (options.output / "merges" / "merges.txt").write_text(text, "utf-8")
    known = [vocabulary(side, options.words, options.least) for side in train]
    for name, words in zip(("src", "trg"), known, strict=True):
        (vocab / f"vocab.{name}.json").write_text(json.dumps(words, ensure_ascii=False), "utf-8")
    for folder, name, sides in (("train", "train", train), ("validation", "val", held_out)):
        count = write(options.output / folder / f"{name}.rec", zip(*sides, strict=True), known)
        print(f"{folder}: {count} pairs")
    print(f"vocabularies: {len(known[0])} and {len(known[1])} tokens")


if __name__ == "__main__":
    main()
