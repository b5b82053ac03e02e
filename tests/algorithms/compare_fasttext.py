"""Run in the environment `algorithms`: fastText's predictions and ours, of models with every option."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import fasttext  # pyright: ignore[reportMissingImports]

folder, algorithms = Path(sys.argv[1]), sys.argv[2]
sys.path.insert(0, algorithms)
from blazingtext import fasttext_model  # noqa: E402  # pyright: ignore[reportMissingImports]

chance = random.Random(1)
letters = "abcdefghijäöüßéあ漢😀"
words = ["".join(chance.choices(letters, k=chance.randint(1, 8))) for _ in range(500)]


def sentence(topic: int) -> str:
    return " ".join(chance.choices(words[topic * 60 : topic * 60 + 120], k=chance.randint(1, 15)))


lines = []
for _ in range(3000):
    topic = chance.randrange(7) if chance.random() < 0.8 else 0
    lines.append(f"__label__{topic}é {sentence(topic)}\n")
text = folder / "train.txt"
text.write_text("".join(lines))
asked = [sentence(chance.randrange(7)) for _ in range(60)]
asked += ["", "  ", "unknown words", "__label__1é", "__label__zz a", "a\tb\rc\x0bd\x0ce"]
asked += [f"あ 漢 {words[3]}", f"before </s> after {words[4]}", f"{words[1]}\x00{words[2]}"]
asked += [f"\u3000{words[2]}", f"{words[5]}\u00a0{words[6]}", words[7] * 50]
result = []
for options in (
    {},
    {"wordNgrams": 2},
    {"wordNgrams": 4, "bucket": 1000},
    {"wordNgrams": 2, "minn": 1, "maxn": 3, "bucket": 5000},
    {"minn": 3, "maxn": 6, "bucket": 100},
    {"loss": "hs", "wordNgrams": 2, "bucket": 1000},
    {"loss": "ova"},
    {"loss": "ns"},
    {"minCount": 20, "wordNgrams": 2},
    {"minCount": 3001, "wordNgrams": 2},  # even the end of the sentence is unknown
):
    options = {"dim": 20, "bucket": 100_000, "thread": 12, "verbose": 0, **options}
    try:
        theirs = fasttext.train_supervised(str(text), **options)
    except ValueError:
        continue  # no word left
    theirs.save_model(str(folder / "theirs.bin"))
    ours = fasttext_model.load(folder / "theirs.bin")
    ours.save(folder / "ours.bin")
    same = (folder / "ours.bin").read_bytes() == (folder / "theirs.bin").read_bytes()
    compiled = fasttext_model.load(folder / "theirs.bin")
    compiled.compile()
    answers = []
    for question in asked:
        for k in (1, 3, 7):
            labels, probabilities = theirs.predict(question, k=k)
            own = [ours.predict(question, k), compiled.predict(question, k)]
            answers.append([question, [list(labels), probabilities.tolist()], own])
    at_once = [compiled.predict_many(asked, k) for k in (1, 3)]
    one_by_one = [[compiled.predict(question, k) for question in asked] for k in (1, 3)]
    result.append(
        {
            "options": options,
            "same_file": same,
            "answers": answers,
            "kernel": compiled._kernel is not None,
            "same_at_once": at_once == one_by_one,
        }
    )
print(json.dumps(result))
