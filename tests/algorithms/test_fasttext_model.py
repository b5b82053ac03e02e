"""model.bin: read, written, predicted from; against fastText itself."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sagebrush.algorithms.blazingtext as package
from sagebrush.algorithms.blazingtext import fasttext_model
from sagebrush.algorithms.blazingtext.fasttext_model import Arguments, BadModel, Model
from sagebrush.environments.environment import Environment

ALGORITHMS = Path(package.__path__[0]).parent


@pytest.fixture(scope="module")
def compared(
    tmp_path_factory: pytest.TempPathFactory, algorithms: Environment
) -> list[dict[str, Any]]:
    """fastText's answers and ours."""
    done = subprocess.run(
        [
            str(algorithms.python),
            str(Path(__file__).with_name("compare_fasttext.py")),
            str(tmp_path_factory.mktemp("models")),
            str(ALGORITHMS),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_predictions_are_fasttexts(compared: list[dict[str, Any]]) -> None:
    assert len(compared) >= 9
    for case in compared:
        every = {}  # each question's probability of each label; labels of equal ones come in any order
        for question, (labels, probabilities), _ in case["answers"]:
            every.setdefault(question, {}).update(zip(labels, probabilities, strict=True))
        for question, (_, probabilities), own in case["answers"]:
            for our_labels, ours in own:
                where = f"{case['options']}: {question!r}"
                assert ours == pytest.approx(probabilities, abs=1e-5), where
                expected = [every[question][label] for label in our_labels]
                assert ours == pytest.approx(expected, abs=1e-5), where


def test_a_compiled_kernel_answers_for_softmax_without_subwords(
    compared: list[dict[str, Any]],
) -> None:
    for case in compared:
        options = case["options"]
        assert case["kernel"] == ("loss" not in options and "maxn" not in options), options
        assert case["same_at_once"], options


def test_files_are_written_as_fasttext_writes_them(compared: list[dict[str, Any]]) -> None:
    assert [case["options"] for case in compared if not case["same_file"]] == []


def small() -> Model:
    """A model of two words and two labels that needs no training."""
    args = Arguments(dim=2, word_ngrams=2, bucket=3)
    entry = np.array([[0, 0], [1, 0], [0, 1], [0, 0], [0, 0], [0, 0]], np.float32)
    output = np.array([[5, -5], [-5, 5]], np.float32)
    words, labels = ["</s>", "good", "bad"], ["__label__pos", "__label__neg"]
    return Model(args, words, labels, [9, 5, 4], [5, 4], 27, entry, output)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    small().save(tmp_path / "model.bin")
    return tmp_path / "model.bin"


def test_what_was_saved_is_loaded(file: Path) -> None:
    model, before = fasttext_model.load(file), small()
    assert model.args == before.args
    assert list(model.words) == list(before.words)
    assert list(model.label_counts) == [5, 4]
    assert np.array_equal(model.input, before.input)
    assert model.predict("good good")[0] == ["__label__pos"]
    assert model.predict("bad", k=5)[0] == ["__label__neg", "__label__pos"]


def test_probabilities_never_exceed_one(file: Path) -> None:
    model = small()
    model.output *= 1000
    assert model.predict("good")[1] == [1.0]


@pytest.mark.parametrize("length", [0, 3, 8, 60, 70, 100, 150, -1])
def test_a_file_cut_off_anywhere_is_told(file: Path, length: int) -> None:
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(BadModel, match="cut off"):
        fasttext_model.load(file)


def test_other_files_are_told(file: Path) -> None:
    file.write_bytes(b"PK\x03\x04" + bytes(200))
    with pytest.raises(BadModel, match="not a fastText model"):
        fasttext_model.load(file)


def test_word_vectors_are_told_from_classifiers(tmp_path: Path) -> None:
    model = small()
    vectors = Arguments(**{**model.args.__dict__, "model": 2})
    Model(vectors, *(getattr(model, n) for n in FIELDS)).save(tmp_path / "v.bin")
    with pytest.raises(BadModel, match="word vectors"):
        fasttext_model.load(tmp_path / "v.bin")


FIELDS = ("words", "labels", "word_counts", "label_counts", "tokens", "input", "output")


def test_quantized_models_are_refused(file: Path) -> None:
    data = bytearray(file.read_bytes())
    matrix = struct.pack("<?2q", False, 6, 2)
    data[data.index(matrix)] = 1
    file.write_bytes(data)
    with pytest.raises(BadModel, match="quantized"):
        fasttext_model.load(file)


@pytest.mark.parametrize(
    ("token", "value"),
    # FNV-1a's published vectors (ASCII), as signed 32-bit numbers.
    [(b"", 0x811C9DC5), (b"a", 0xE40C292C), (b"b", 0xE70C2DE5), (b"foobar", 0xBF9CF968)],
)
def test_hashes_of_ascii_are_fnv_1a(token: bytes, value: int) -> None:
    assert fasttext_model.token_hash(token) & 0xFFFFFFFF == value
