"""Object2Vec's channels, batches and pretrained embeddings: what is read, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from contract.channels import Channel
from contract.errors import ClientError
from object2vec import batches, data, parameters, pretrained

SMALL = parameters.read({"enc0_max_seq_len": "3", "enc0_vocab_size": "10"})
SCORES = parameters.read(
    {"enc0_max_seq_len": "3", "enc0_vocab_size": "10", "output_layer": "mean_squared_error"}
)


def channel(tmp_path: Path, **files: str | bytes) -> Channel:
    for name, content in files.items():
        text = content.encode() if isinstance(content, str) else content
        (tmp_path / f"{name}.jsonl").write_bytes(text)
    return Channel("train", "application/jsonlines", tmp_path)


def test_pairs_of_all_files_cut_at_the_longest(tmp_path: Path) -> None:
    first = '{"label": 1, "in0": [1, 2, 3, 4], "in1": [0]}\n\n'
    second = b'\xef\xbb\xbf{"in1": [5, 6], "in0": [9], "label": 0.0, "id": "x"}'
    found = data.read(channel(tmp_path, a=first, b=second), SMALL)
    assert found.labels.tolist() == [1, 0]
    ids, lengths = found.sides[0].take(np.array([1, 0, 1]))
    assert (ids.tolist(), lengths.tolist()) == ([9, 1, 2, 3, 9], [1, 3, 1])
    assert found.sides[1].take(np.array([0, 1]))[0].tolist() == [0, 5, 6]
    scores = channel(tmp_path, a='{"label": 3.8, "in0": [1], "in1": [1]}')
    assert data.read(scores, SCORES).labels[0] == np.float32(3.8)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            '{"label": 0, "in0": [1], "in1": [10]}',
            'Inconsistent vocab for in1 found. Vocab id "10" is not less than vocab_size=10',
        ),
        ('{"label": 0, "in0": [-1], "in1": [1]}', 'Vocab id "-1" is negative'),
        ('{"label": 0, "in0": [], "in1": [1]}', "'in0' is an empty list"),
        ('{"label": 0, "in0": [1]}', "'in1' is missing"),
        (f'{{"label": 1{"0" * 400}, "in0": [1], "in1": [1]}}', "'label' must be a number"),
        ('{"in0": [1], "in1": [1]}', "'label' is missing"),
        ('{"label": "1", "in0": [1], "in1": [1]}', "'label' must be a number, not \"1\""),
        ('{"label": NaN, "in0": [1], "in1": [1]}', "'label' must be a number, not NaN"),
        ('{"label": 2, "in0": [1], "in1": [1]}', "the label 2 is no class from 0 to"),
        ('{"label": 0.5, "in0": [1], "in1": [1]}', "set output_layer to mean_squared_error"),
        ('{"label": 0, "in0": ["a"], "in1": [1]}', "'in0' must be a list of integer ids"),
        ('{"label": 0, "in0": [true], "in1": [1]}', "'in0' must be a list of integer ids"),
        ('{"label": 0, "in0": 5, "in1": [1]}', "'in0' must be a list of integer ids"),
        ("[1, 2]", "not an object"),
        ("0,1,2", "not JSON"),
        ("{" * 100_000, "not JSON"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, line: str, said: str) -> None:
    good = '{"label": 0, "in0": [1], "in1": [1]}\n'
    with pytest.raises(ClientError) as told:
        data.read(channel(tmp_path, a=good + line), SMALL)
    assert said in str(told.value)
    assert "a.jsonl, line 2" in str(told.value)


def test_channels_without_pairs(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="only empty files"):
        data.read(channel(tmp_path, a=""), SMALL)
    with pytest.raises(ClientError, match="holds no pair"):
        data.read(channel(tmp_path, a="\n\n"), SMALL)
    with pytest.raises(ClientError, match="not UTF-8"):
        data.read(channel(tmp_path, a=b'{"label": "\xff"}'), SMALL)
    with pytest.raises(ClientError, match="does not exist"):
        data.read(Channel("train", "", tmp_path / "none"), SMALL)


def test_negative_samples_are_other_pairs_objects() -> None:
    sides = data.sequences([[n] for n in range(6)])
    pairs = data.Pairs((sides, sides), np.array([1, 1, 0, 1, 1, 1], np.float32))
    found = batches.drawn(pairs, 3, np.random.default_rng(0))
    assert len(found.labels) == 6 + 3 * 5
    assert not found.labels[6:].any()
    assert (found.left[6:] != found.right[6:]).all()
    assert sorted(found.left[6:]) == sorted([0, 1, 3, 4, 5] * 3)
    assert len(batches.drawn(pairs, 0, np.random.default_rng(0)).labels) == 6


@pytest.mark.parametrize("width", [0, 2])
def test_each_sample_is_in_one_batch_and_buckets_are_of_like_length(width: int) -> None:
    chance = np.random.default_rng(1)
    left, right = (data.sequences([[1] * n for n in chance.integers(1, 9, 50)]) for _ in range(2))
    pairs = data.Pairs((left, right), np.ones(50, np.float32))
    samples = batches.drawn(pairs, 1, chance)
    found = list(batches.shuffled(pairs, samples, 8, width, chance))
    assert sorted(np.concatenate(found)) == list(range(100))
    assert max(map(len, found)) == 8
    spread = max(np.ptp(left.lengths[samples.left[each]]) for each in found)
    assert spread <= 1 if width else spread > 1


def files(tmp_path: Path, vocabulary: object, vectors: str) -> parameters.Encoder:
    (tmp_path / "v.json").write_text(json.dumps(vocabulary))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "v.txt").write_text(vectors, encoding="utf-8")
    given = {"enc0_vocab_file": "v.json", "enc0_pretrained_embedding_file": "v.txt"}
    sizes = {"enc0_max_seq_len": "3", "enc0_vocab_size": "4", "enc0_token_embedding_dim": "2"}
    return parameters.read({**given, **sizes}).encoders[0]


def test_vectors_of_glove_and_of_word2vec(tmp_path: Path) -> None:
    """The header of vectors.txt, words that the vocabulary lacks, tokens that hold blanks."""
    text = "4 2\nthe 1 2\n. . . 9 9\nother 3 4\ncafé 0.5 -1e-1 \n"
    encoder = files(tmp_path, {"the": 0, "café": 3, ".": 1, "4": 2}, text)
    found = pretrained.read(tmp_path, encoder, "enc0")
    assert found.ids.tolist() == [0, 3]
    assert found.values.tolist() == [[1, 2], [0.5, pytest.approx(-0.1)]]
    assert found.vocabulary == 4


def test_tokens_beyond_the_vocabulary_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the numbers of unknown words are that come after the last word's."""
    encoder = files(tmp_path, {"the": 3, "<unk>": 4}, "the 1 2\n<unk> 3 4\n")
    found = pretrained.read(tmp_path, encoder, "enc0")
    assert (found.ids.tolist(), found.vocabulary) == ([3], 1)
    assert "1 of 2 tokens are left out, '<unk>' first" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("vocabulary", "vectors", "said"),
    [
        ({"the": 4}, "the 1 2", "a vector for none of the 0 tokens"),
        ({"the": -1}, "the 1 2", 'Vocab id "-1" is negative'),
        ({"the": "0"}, "the 1 2", "must be a JSON object of tokens and ids"),
        (["the"], "the 1 2", "must be a JSON object of tokens and ids"),
        ({"the": 0}, "the 1 2 3", "a vector of 3 values, but enc0_token_embedding_dim is 2"),
        ({"the": 0}, "the 1 x", "no vector"),
        ({"the": 0}, "the 1 nan", "NaN or infinite"),
        ({"the": 0}, "cat 1 2", "a vector for none of the 1 tokens"),
    ],
)
def test_files_that_do_not_fit(tmp_path: Path, vocabulary: object, vectors: str, said: str) -> None:
    encoder = files(tmp_path, vocabulary, vectors)
    with pytest.raises(ClientError, match=said):
        pretrained.read(tmp_path, encoder, "enc0")
    (tmp_path / "v.json").unlink()
    with pytest.raises(ClientError, match=r"no file 'v.json', which enc0_vocab_file names"):
        pretrained.read(tmp_path, encoder, "enc0")


def test_long_sequences_are_measured_a_few_at_a_time() -> None:
    lengths = np.array([5000] * 20 + [1] * 40 + [batches.PADDED + 1])
    found = list(batches.by_length(lengths, 16))
    assert sorted(np.concatenate(found)) == list(range(61))
    assert [len(each) for each in found] == [16, 16, 8, 6, 6, 6, 2, 1]
    assert all(len(each) * lengths[each].max() <= batches.PADDED for each in found[:-1])
    assert not list(batches.by_length(lengths[:0], 16))
