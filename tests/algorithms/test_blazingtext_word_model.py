"""vectors.bin and vectors.txt: written, read and asked with NumPy."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from sagebrush.algorithms.blazingtext import fasttext_model, word_model
from sagebrush.algorithms.blazingtext.fasttext_model import Arguments, BadModel
from sagebrush.algorithms.blazingtext.word_model import Trained, WordVectors

WORDS = [b"the", b"guitar", "caf\u00e9".encode()]


def trained(buckets: int = 0, dim: int = 4) -> Trained:
    """A model of three words with known numbers."""
    chance = np.random.default_rng(1)
    args = word_model.trained_with(
        "skipgram", dim=dim, bucket=buckets, minn=3 if buckets else 0, maxn=6 if buckets else 0
    )
    matrix = chance.normal(size=(len(WORDS) + buckets, dim)).astype(np.float32)
    seen = {row for word in WORDS for row in word_model.ngrams(word, 3, 6, buckets or 1)}
    matrix[[len(WORDS) + row for row in range(buckets) if row not in seen]] = 0
    output = chance.normal(size=(len(WORDS), dim)).astype(np.float32)
    return Trained(args, WORDS, np.array([9, 5, 5]), matrix, output)


def saved(model: Trained, folder: Path) -> WordVectors:
    word_model.save(model, folder / "vectors.bin")
    return word_model.load(folder / "vectors.bin")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    model = trained()
    found = saved(model, tmp_path)
    assert list(found.ids) == WORDS
    assert np.array_equal(found.input, model.input)
    assert np.array_equal(found.vector("guitar"), model.input[1])
    assert not found.vector("unheard").any()
    assert found.vector("unheard").shape == (4,)


def test_a_word_is_the_mean_of_itself_and_its_n_grams(tmp_path: Path) -> None:
    model = trained(buckets=50)
    found = saved(model, tmp_path)
    rows = list(word_model.ngrams(WORDS[2], 3, 6, 50))
    # <café>: three starts of 3, 4, 5, 6 characters that fit
    assert len(rows) == 4 + 3 + 2 + 1
    expected = np.vstack([model.input[2], model.input[[3 + row for row in rows]]]).mean(axis=0)
    assert found.vector("caf\u00e9") == pytest.approx(expected, abs=1e-6)
    assert found.vector("caf\u00e9s").any(), (
        "a word that was not seen has the n-grams of those that were"
    )
    assert not found.vector("").any()
    assert np.array_equal(found.vector("</s>"), np.zeros(4, np.float32))


def test_rows_of_n_grams_that_no_word_has_are_small_and_compress(tmp_path: Path) -> None:
    model = trained(buckets=20_000, dim=64)
    found = saved(model, tmp_path)
    seen = {3 + row for word in WORDS for row in word_model.ngrams(word, 3, 6, 20_000)}
    others = sorted(set(range(3, 20_003)) - seen)
    assert np.array_equal(found.input[sorted(seen)], model.input[sorted(seen)])
    assert (np.abs(found.input[others]) <= 1 / 64).all()
    for word in ("xyzzy", "zz", "q"):
        assert found.vector(word).any(), "no unknown word is without a vector"
    assert not np.allclose(found.vector("xyzzy"), found.vector("plugh"), atol=1e-3)
    written = (tmp_path / "vectors.bin").read_bytes()
    assert len(written) > 20_000 * 64 * 4
    assert len(zlib.compress(written, 6)) < len(written) / 50


def test_single_characters_at_the_ends_are_no_n_grams() -> None:
    hashed = [fasttext_model.token_hash(part) & 0xFFFFFFFF for part in (b"<a", b"a", b"a>")]
    assert list(word_model.ngrams(b"a", 1, 2, 1 << 32)) == hashed


def test_the_text_is_word2vecs(tmp_path: Path) -> None:
    vectors = np.array([[0.5, -1.25], [1e-9, 12.0], [0, 1]], np.float32)
    word_model.write_text(tmp_path / "vectors.txt", WORDS, vectors)
    assert (tmp_path / "vectors.txt").read_text().splitlines() == [
        "3 2",
        "the 0.500000 -1.250000",
        "guitar 0.000000 12.000000",
        "caf\u00e9 0.000000 1.000000",
    ]


def test_files_that_hold_no_vectors_are_told(tmp_path: Path) -> None:
    file = tmp_path / "vectors.bin"
    word_model.save(trained(), file)
    whole = file.read_bytes()
    for size in (3, 40, 70, 95, len(whole) - 4 * 3 * 4 - 17 - 1):
        file.write_bytes(whole[:size])
        with pytest.raises(BadModel, match="cut off"):
            word_model.load(file)
    file.write_bytes(b"\0" * 100)
    with pytest.raises(BadModel, match="not a fastText model"):
        word_model.load(file)
    fasttext_model.Model(
        Arguments(dim=2), ["a"], ["__label__b"], [1], [1], 2,
        np.zeros((1, 2), np.float32), np.zeros((1, 2), np.float32),
    ).save(file)  # fmt: skip
    with pytest.raises(BadModel, match="a classifier"):
        word_model.load(file)
