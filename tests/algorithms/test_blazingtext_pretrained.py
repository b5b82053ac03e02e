"""Mode `supervised` from pretrained word vectors: the channel's files, and jobs that begin with them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from contract.channels import Channel
from contract.errors import ClientError

from sagebrush.algorithms.blazingtext import fasttext_model, pretrained
from sagebrush.environments.environment import Environment
from tests.algorithms.blazingtext_job import TrainingJob, sentences

SMALL = {
    "mode": "supervised",
    "vector_dim": "3",
    "buckets": "1000",
    "min_count": "1",
    "epochs": "10",
    "learning_rate": "0.5",
}
FILE = b"3 3\nguitar 0 0 9\nviola 0 0 9\nsalt 9 0 0\n"


@pytest.fixture
def job(tmp_path: Path, algorithms: Environment) -> TrainingJob:
    found = TrainingJob(tmp_path / "ml", algorithms.python)
    found.channel("train", sentences(600))
    return found


def packed(content: bytes, name: str = "vectors.txt") -> bytes:
    """A model.tar.gz with one file."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return held.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [("vectors.txt", FILE), ("model.tar.gz", packed(FILE))],
    ids=["vectors.txt", "model.tar.gz"],
)
def test_words_that_the_text_lacks_are_known_by_their_vectors(
    job: TrainingJob, name: str, content: bytes
) -> None:
    job.channel("pretrained_vectors", content, name)
    job.channel("validation", ["__label__music viola viola viola"])
    done = job.run(**SMALL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Read 3 pretrained vectors" in done.stdout
    assert "#validation_accuracy: 1\n" in done.stdout
    model = fasttext_model.load(job.model)
    assert model.predict("viola")[0] == ["__label__music"]
    assert {"viola", "guitar", "team"} <= set(model.words)
    assert np.array_equal(model.input[model.words.index("viola")], [0, 0, 9])


def test_without_them_nothing_is_known_of_such_words(job: TrainingJob) -> None:
    assert job.run(**SMALL).returncode == 0
    assert "viola" not in fasttext_model.load(job.model).words


def test_word_vectors_take_no_such_channel(job: TrainingJob) -> None:
    job.channel("pretrained_vectors", FILE, "vectors.txt")
    assert job.run(mode="cbow").returncode == 2
    assert "'pretrained_vectors' was unexpected" in job.failure


WRONG = [
    (b"2 3\na 1 2 3\nb 1 2\n", "vectors.txt, line 3 has 2 numbers, but vector_dim is 3"),
    (b"2 4\na 1 2 3 4\n", "has vectors of 4 numbers, but vector_dim is 3"),
    (b"a 1 x 3\n", "line 1: not a word and numbers"),
    (b"a 1 nan 3\n", "line 1: a number is NaN or infinite"),
    (b"a\n", "line 1 has 0 numbers"),
    (b"\n\n", "vectors.txt holds no vector"),
    (b"900000000 3\na 1 2 3\n", "Out of memory: 900000000 or more pretrained vectors of 3 numbers"),
]


@pytest.mark.parametrize(("content", "words"), WRONG, ids=[words for _, words in WRONG])
def test_what_is_wrong_is_told(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "vectors.txt").write_bytes(content)
    channel = Channel(pretrained.CHANNEL, "", tmp_path)
    with pytest.raises(ClientError) as raised:
        pretrained.read(channel, 3, 1 << 30)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"model.tar.gz": packed(FILE, "model.bin")}, "model.tar.gz holds no vectors.txt"),
        ({"model.tar.gz": b"no archive"}, "model.tar.gz cannot be read"),
        ({"model.tar.gz": packed(FILE)[:60]}, "model.tar.gz cannot be read"),
        ({"a.txt": FILE, "b.txt": FILE}, "it has 2"),
    ],
    ids=["another model", "no archive", "cut", "two files"],
)
def test_the_channel_takes_one_file(tmp_path: Path, files: dict[str, bytes], words: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ClientError) as raised:
        pretrained.read(Channel(pretrained.CHANNEL, "", tmp_path), 3, 0)
    assert words in str(raised.value)
