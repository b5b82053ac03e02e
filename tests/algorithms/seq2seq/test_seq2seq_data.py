"""Sequence-to-Sequence's hyperparameters, data, batches, metrics and requests."""

from __future__ import annotations

import json
import random
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract.channels import Channel
from contract.errors import ClientError
from seq2seq import bleu, data, parameters, questions, schedules, train, vocabularies
from seq2seq.data import Limits, Pairs

import sagebrush.examples

PREPARE = Path(next(iter(sagebrush.examples.__path__))) / "translation" / "prepare.py"


def test_the_guides_defaults() -> None:
    found = parameters.settings({})
    assert (found["rnn_num_hidden"], found["rnn_attention_num_hidden"]) == (1024, 1024)
    assert (found["learning_rate"], found["beam_size"], found["max_num_epochs"]) == (
        0.0003,
        5,
        None,
    )
    assert len(found) == len(parameters.TABLE) == 48


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rnn_num_hidden": "511"}, "multiple of 2"),
        ({"momentum": "0.9"}, "momentum is for optimizer_type=sgd"),
        ({"embed_dropout_source": "1.5"}, "1.5"),
        ({"encoder_type": "transformer"}, "transformer"),
        ({"beam_size": "0"}, "0"),
        ({"max_num_batches": "0"}, "a positive integer, or -1"),
        ({"vocab_size": "7"}, "vocab_size"),
        ({"batch_size": "1" + "0" * 30}, "an integer between 1 and 2147483647"),
    ],
)
def test_wrong_hyperparameters(given: dict[str, str], said: str) -> None:
    with pytest.raises(ClientError, match=said):
        parameters.settings(given)


def test_an_absurd_network_is_refused_before_it_is_built() -> None:
    small = parameters.least_weights(parameters.settings({}))
    for name in ("rnn_num_hidden", "num_layers_encoder", "num_embed_source"):
        assert parameters.least_weights(parameters.settings({name: "1000000000"})) > 100 * small


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rnn_num_hidden": "10000"}, "or rnn_num_hidden=1022 or less"),
        ({"rnn_num_hidden": "1000000000"}, "or rnn_num_hidden=1022 or less"),
        (
            {"cnn_num_hidden": "10000", "decoder_type": "cnn"},
            "rnn_num_hidden and cnn_num_hidden=1022",
        ),
        ({"num_layers_encoder": "1000000000"}, "or lower the number of layers"),
        ({"num_embed_source": "1000000000"}, "or lower the number of layers"),
    ],
)
def test_a_network_beyond_the_memory_is_told_what_fits(given: dict[str, str], said: str) -> None:
    wanted = parameters.settings(given)

    def weights(settings: Mapping[str, Any]) -> int:
        units = max(settings["rnn_num_hidden"], settings["cnn_num_hidden"])
        return units**2 + settings["num_embed_source"]

    memory = train.bytes_of(1023**2 + wanted["num_embed_target"])
    with pytest.raises(ClientError, match=r"^Out of memory: ") as error:
        train.check_weights(wanted, memory, weights)
    assert said in str(error.value)
    fits = parameters.settings({"rnn_num_hidden": "1000"})
    train.check_weights(fits, train.bytes_of(10**8), weights)


def test_buckets_and_batches_end_with_the_data() -> None:
    one, two = np.arange(4), np.arange(9)
    pairs = Pairs([one, two, one], [two, one, one])
    wanted = parameters.settings(
        {"max_seq_len_source": "2000000000", "bucket_width": "1", "batch_size": "2"}
    )
    assert data.sizes(pairs, wanted)[-1] == (9, 9)
    assert data.sizes(pairs, {**wanted, "bucketing_enabled": False}) == [(9, 9)]
    assert data.largest(pairs, wanted) == 2 * 10
    assert data.largest(pairs, {**wanted, "batch_size": 1}) == 10


def test_bleu_is_measured_where_it_is_optimised() -> None:
    assert parameters.settings({"optimized_metric": "bleu"})["bleu_sample_size"] == -1
    found = parameters.settings({"optimized_metric": "bleu", "bleu_sample_size": "50"})
    assert found["bleu_sample_size"] == 50


def prepared(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> Path:
    """What the example's script made of a small parallel text, as channels."""
    texts = {
        "a.txt": "Ein Haus!\n\nZwei  Hunde laufen.\n",
        "b.txt": "A house!\nnothing\nTwo dogs run.\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    command = ["prepare.py", "--source", "a.txt", "--target", "b.txt", "--validation-source"]
    command += ["a.txt", "--validation-target", "b.txt", "--input", str(folder)]
    monkeypatch.setattr(sys, "argv", [*command, "--output", str(folder / "out"), *options])
    runpy.run_path(str(PREPARE), run_name="__main__")
    return folder / "out"


def read(folder: Path, words: int = 100) -> Pairs:
    """The training pairs in a folder of channels."""
    return data.read(Channel("train", "", folder / "train"), Limits(3, 2, words, words))


def test_plain_text_becomes_the_algorithms_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = prepared(tmp_path, monkeypatch)
    source = vocabularies.load(out / "vocab" / "vocab.src.json")
    target = vocabularies.load(out / "vocab" / "vocab.trg.json")
    pairs = read(out)
    assert [source.decode(each.tolist()) for each in pairs.sources] == [
        ["ein", "haus", "!"],
        ["zwei", "hunde", "laufen"],  # cut to three
    ]
    assert [target.decode(each.tolist()) for each in pairs.targets] == [
        ["a", "house"],
        ["two", "dogs"],
    ]
    assert source.encode(["haus", "katze"]) == [source.numbers["haus"], 1]


def test_words_are_split_by_merges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = prepared(tmp_path, monkeypatch, "--merges", "3")
    words = json.loads((out / "vocab" / "vocab.src.json").read_text())
    assert any(word.endswith("@@") for word in words)
    prepare = runpy.run_path(str(PREPARE))
    merges = prepare["learn"]([["lower", "lowest", "low"]] * 2, 20)
    assert prepare["sub_words"]("lowest", merges) == ["lowest"]
    assert prepare["sub_words"]("slow", merges) == ["s@@", "low"]


def test_records_that_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = prepared(tmp_path, monkeypatch)
    with pytest.raises(
        ClientError, match=r"train\.rec, record 1: the token \d of 'source' is not in"
    ):
        read(out, words=5)
    (out / "train" / "train.rec").write_bytes(b"no records")
    with pytest.raises(ClientError):
        read(out)
    (out / "train" / "train.rec").write_bytes(b"")
    with pytest.raises(ClientError):
        read(out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("[1]", "must be an object"),
        ("{", "not JSON"),
        ('{"<pad>": 0, "<unk>": 1, "<s>": 2}', "lacks the symbols </s>"),
        ('{"<pad>": 0, "<unk>": 1, "<s>": 2, "</s>": 4}', "from 0 to 3"),
        ('{"<pad>": 1, "<unk>": 0, "<s>": 2, "</s>": 3}', "must have the number 0"),
    ],
)
def test_vocabularies_that_are_none(tmp_path: Path, words: str, said: str) -> None:
    (tmp_path / "vocab.src.json").write_text(words)
    with pytest.raises(ClientError, match=said):
        vocabularies.load(tmp_path / "vocab.src.json")
    with pytest.raises(ClientError, match="is missing"):
        vocabularies.load(tmp_path / "vocab.trg.json")


def pairs(*lengths: tuple[int, int]) -> Pairs:
    """Pairs of these lengths."""
    return Pairs(
        [np.full(source, 5) for source, _ in lengths], [np.full(target, 6) for _, target in lengths]
    )


def test_buckets_follow_the_lengths_ratio() -> None:
    held = pairs((10, 20), (5, 10))
    assert data.buckets(held, (20, 30), 10) == [(5, 10), (10, 20), (15, 30), (20, 30)]


def test_each_pair_is_in_one_batch_of_its_bucket() -> None:
    held = pairs(*((n, n) for n in range(1, 20)))
    sizes = data.buckets(held, (20, 20), 5)
    found = list(data.batches(held, sizes, 3, random.Random(1)))
    assert sorted(n for batch in found for n in batch) == list(range(19))
    assert all(len({(n // 5) for n in batch}) == 1 and len(batch) <= 3 for batch in found)
    assert found == list(data.batches(held, sizes, 3, random.Random(1)))
    assert found != list(data.batches(held, sizes, 3, random.Random(2)))


def test_batches_of_buckets_are_padded_little() -> None:
    chance = random.Random(3)
    held = pairs(*((chance.randint(1, 20), chance.randint(1, 20)) for _ in range(400)))

    def used(sizes: list[tuple[int, int]]) -> float:
        found = list(data.batches(held, sizes, 5, random.Random(1)))
        lengths = [[len(held.targets[n]) for n in batch] for batch in found]
        return sum(map(sum, lengths)) / sum(len(each) * max(each) for each in lengths)

    assert used([(10, 10), (20, 20)]) > 0.95
    assert used([(20, 20)]) < 0.7  # without buckets chance alone decides


def test_a_batch_begins_ends_and_is_padded() -> None:
    batch = data.batch(pairs((2, 1), (1, 3)), [0, 1], begin=2, end=3)
    assert batch.sources.tolist() == [[5, 5], [5, 0]]
    assert batch.inputs.tolist() == [[2, 6, 0, 0], [2, 6, 6, 6]]
    assert batch.labels.tolist() == [[6, 3, 0, 0], [6, 6, 6, 3]]


def test_bleu_of_a_corpus() -> None:
    said = ["the", "cat", "is", "on", "the", "mat", "today"]
    assert bleu.score([said], [said]) == pytest.approx(1.0)
    # Precisions 6/7, 4/6, 2/5, 1/4, both seven words long.
    other = ["the", "cat", "sat", "on", "the", "mat", "today"]
    assert bleu.score([other], [said]) == pytest.approx((6 / 7 * 4 / 6 * 2 / 5 * 1 / 4) ** 0.25)
    assert bleu.score([said[:5]], [said]) == pytest.approx(np.exp(1 - 7 / 5))
    assert bleu.score([["a"]], [said]) == 0.0


def test_learning_rates() -> None:
    plateau = schedules.schedule("plateau_reduce", 1.0, 0.5, 2, 10)
    found = []
    for improved in (True, False, False, False, False, True, False):
        plateau.measured(improved)
        found.append(plateau.at(1))
    assert found == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.25]
    halved = schedules.schedule("fixed_rate_inv_t", 1.0, 0.5, 2, 10)
    halved.measured(False)
    assert (halved.at(10), halved.at(20)) == (0.5, 1 / 3)
    assert schedules.schedule("fixed_rate_inv_sqrt_t", 1.0, 0.5, 2, 10).at(10) == 0.5


def test_requests_are_read() -> None:
    body: dict[str, Any] = {
        "instances": [
            {"data": "a house"},
            {"data": "two", "configuration": {"attention_matrix": "true"}},
        ]
    }
    found = questions.read(json.dumps(body), "application/json")
    assert [(each.source, each.attention) for each in found.items] == [
        ("a house", False),
        ("two", True),
    ]
    lines = questions.read('{"source": "a\u2028b"}\n\n{"source": ""}', "application/jsonlines")
    assert [each.source for each in lines.items] == ["a\u2028b", ""]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("[]", "application/json", 400),
        ('{"instances": ["text"]}', "application/json", 400),
        ('{"source": 3}', "application/jsonlines", 400),
        ("a,b", "text/csv", 415),
        ("no records", "application/x-recordio-protobuf", 400),
    ],
)
def test_wrong_requests(body: str, kind: str, status: int) -> None:
    with pytest.raises(questions.BadRequest) as found:
        questions.read(body.encode(), kind)
    assert found.value.status_code == status
