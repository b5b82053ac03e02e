"""Word vectors by the kernels: reading, sub-words as fastText's, equal runs, and what they learn."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections import Counter
from typing import Any

import pytest

from sagebrush.algorithms.blazingtext.kernels import compiled
from sagebrush.environments.environment import Environment

ODD = (
    b"one\n\ntwo two\tthree  three three\r\n\x00four\x0bfour\n"
    + b"caf\xc3\xa9 \xff\xfe caf\xc3\xa9 \xff\xfe\n"
    + b"z" * 300
    + b" one"
)
PROGRAM = """
import io, json, sys
from pathlib import Path
import numpy as np
from blazingtext import corpus, word_vectors
from blazingtext.parameters import ClientError
folder, said = Path(sys.argv[1]), {}

def read(text, least=1):
    made = corpus.vocabulary_and_corpus([io.BytesIO(text)], least)
    spelt = [made.words[n].decode("latin-1") for n in made.ids]
    parts = [spelt[a:b] for a, b in zip([0, *made.ends], made.ends)]
    counts = {w.decode("latin-1"): int(c) for w, c in zip(made.words, made.counts)}
    return parts, counts, made.read

odd, line = (folder / "odd").read_bytes(), (folder / "line").read_bytes()
said["whole"] = read(odd)
corpus.BLOCK = 7
said["pieces"], said["frequent"] = read(odd), read(odd, 2)
corpus.BLOCK = 1 << 20
said["line"] = [len(part) for part in read(line)[0]]
for text, least in ((b"", 1), (b" \\n\\n", 1), (b"a b c", 5)):
    try:
        said[f"{text}"] = read(text, least)
    except ClientError as error:
        said[f"{text}"] = str(error)

topics = corpus.vocabulary_and_corpus([folder / "topics"], 1)
of = np.array([int(word.split(b"_")[1]) for word in topics.words])
for mode, subwords in (("skipgram", False), ("batch_skipgram", False), ("cbow", False), ("skipgram", True)):
    asked = word_vectors.Settings(
        mode=mode, vector_dim=20, epochs=5, sampling_threshold=0.01, subwords=subwords, buckets=500, seed=3)
    def learn(threads=1, shared=None):
        trainer = word_vectors.Trainer(topics, word_vectors.Settings(**{**vars(asked), "threads": threads}))
        if shared:
            trainer.share(shared)
        for _ in range(asked.epochs):
            trainer.epoch()
        return trainer
    first, calls = learn(), []
    rows = first.vectors() / np.linalg.norm(first.vectors(), axis=1, keepdims=True)
    near = rows @ rows.T
    np.fill_diagonal(near, -9)
    said[f"{mode} {subwords}"] = {
        "equal": bool((learn().vectors() == first.vectors()).all()),
        "topic": float((of[near.argmax(1)] == of).mean()),
        "threads": learn(2).vectors().shape,
        "finite": bool(np.isfinite(first.output).all() and np.isfinite(first.input).all()),
        "input": first.input.shape,
    }
learn(1, lambda matrix: calls.append(matrix.shape))
said["shared"] = len(calls)

import fasttext
model = fasttext.train_unsupervised(str(folder / "plain"), minCount=1, minn=2, maxn=4, bucket=100, dim=2, epoch=1, thread=12, verbose=0)
words = [word for word in model.words if word != "</s>"]
made = word_vectors.Corpus(*[np.zeros(0, np.int32)] * 2, [w.encode() for w in words], np.ones(len(words), np.int64))
used, (own, starts) = word_vectors._pieces(made, word_vectors.Settings(subwords=True, min_char=2, max_char=4, buckets=100))
def grams(n):
    return sorted(int(used[row - len(words)]) - len(words) for row in own[starts[n] + 1 : starts[n + 1]])
def theirs(word):
    return sorted(int(row) - len(model.words) for row in model.get_subwords(word)[1][1:])
said["subwords"] = [[grams(n), theirs(word)] for n, word in enumerate(words)]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(algorithms: Environment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process in the environment found; `log` is what it said beside."""
    folder, chance = tmp_path_factory.mktemp("texts"), random.Random(1)
    (folder / "odd").write_bytes(ODD)
    (folder / "plain").write_text("café naïve one two three four 日本語 ß x\n" * 3)
    (folder / "line").write_bytes(b"many words in one line " * 60_000)
    lines = []
    for n in range(3000):
        topic = n % 4
        lines.append(" ".join(f"w{chance.randrange(12)}x{topic}_{topic}" for _ in range(12)))
    (folder / "topics").write_text("\n".join(lines))
    environ = {**os.environ, "PYTHONPATH": str(compiled.ALGORITHMS)}
    done = subprocess.run(
        [str(algorithms.python), "-c", PROGRAM, str(folder)],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *log, last = done.stdout.splitlines()
    return {**json.loads(last), "log": log}


def test_words_and_sentences_are_those_of_the_bytes(said: dict[str, Any]) -> None:
    lines = ODD.replace(b"\x00", b" ").replace(b"\x0b", b" ").split(b"\n")
    wanted = [line.decode("latin-1").split(" ") for line in lines]
    wanted = [[word for part in line for word in part.split()] for line in wanted]
    wanted = [line for line in wanted if line]
    counts = Counter(word for line in wanted for word in line)
    for blocks in ("whole", "pieces"):
        assert said[blocks] == [wanted, dict(counts), counts.total()]
    assert said["line"] == [300_000]


def test_rare_words_are_left_out(said: dict[str, Any]) -> None:
    sentences, counts, read = said["frequent"]
    assert min(counts.values()) == 2
    assert sentences[0] == ["one"]
    assert sum(map(len, sentences)) == sum(counts.values()) < read


def test_a_text_without_words_is_the_users_to_mend(said: dict[str, Any]) -> None:
    assert "no words" in said["b''"]
    assert "no words" in said[str(b" \n\n")]
    assert "min_count=5" in said["b'a b c'"]


@pytest.mark.parametrize("mode", ["skipgram", "batch_skipgram", "cbow"])
def test_words_of_one_topic_are_near_each_other(said: dict[str, Any], mode: str) -> None:
    assert said[f"{mode} False"]["topic"] >= 0.9
    assert said[f"{mode} False"]["equal"], "one thread and a seed give the same vectors"
    assert said[f"{mode} False"]["finite"]
    assert said[f"{mode} False"]["threads"] == [48, 20]


def test_subwords_have_fasttexts_rows(said: dict[str, Any]) -> None:
    assert said["skipgram True"]["input"] == [48 + 500, 20]
    assert said["skipgram True"]["topic"] >= 0.9
    assert said["skipgram True"]["equal"]
    assert len(said["subwords"]) >= 5
    for ours, theirs in said["subwords"]:
        assert ours == theirs


def test_matrices_are_shared_between_parts_of_an_epoch(said: dict[str, Any]) -> None:
    assert said["shared"] == 2 * 64 * 5


def test_machine_code_was_there(said: dict[str, Any]) -> None:
    assert said["log"] == []
