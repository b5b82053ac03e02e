"""Object2Vec's hyperparameters: the guide's defaults and ranges, and what must agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from contract.errors import ClientError
from object2vec import parameters

REQUIRED = {"enc0_max_seq_len": "20", "enc0_vocab_size": "100"}


def test_the_guides_defaults() -> None:
    wanted = parameters.read(REQUIRED)
    first, second = wanted.encoders
    assert first == second
    assert (first.network, first.layers, first.cnn_filter_width) == ("hcnn", 4, 3)
    assert (first.token_embedding_dim, first.freeze_pretrained_embedding) == (300, True)
    assert wanted.comparators == ("hadamard", "concat", "abs_diff")
    assert (wanted.enc_dim, wanted.mlp_dim, wanted.mlp_layers) == (4096, 512, 2)
    assert (wanted.epochs, wanted.mini_batch_size, wanted.learning_rate) == (30, 32, 0.0004)
    assert (wanted.early_stopping_patience, wanted.early_stopping_tolerance) == (3, 0.01)
    assert (wanted.optimizer, wanted.mlp_activation, wanted.outputs) == ("adam", "linear", 2)
    assert not wanted.tied_token_embedding_weight


def test_a_pooled_embedding_has_no_layers() -> None:
    given = {"enc0_network": "pooled_embedding", "enc0_layers": "2"}
    assert parameters.read({**REQUIRED, **given}).encoders[0].layers == 0


def test_what_awss_notebooks_and_the_sdk_send() -> None:
    """Names of the platform, empty file names, booleans of both spellings, whole numbers as 5.0."""
    given = {
        **{"_kvstore": "device", "_num_gpus": "auto", "enc0_vocab_file": "", "enc1_vocab_file": ""},
        **{"enc0_pretrained_embedding_file": "glove.840B-trim.txt", "enc0_vocab_file": "v.json"},
        **{"tied_token_embedding_weight": "True", "enc0_freeze_pretrained_embedding": "false"},
        **{"enc0_layers": "auto", "epochs": "5.0", "output_layer": "mean_squared_error"},
    }
    wanted = parameters.read({**REQUIRED, **given, "comparator_list": "hadamard,abs_diff"})
    assert wanted.comparators == ("hadamard", "abs_diff")
    assert (wanted.epochs, wanted.outputs, wanted.regression) == (5, 1, True)
    assert not wanted.encoders[1].freeze_pretrained_embedding


def test_enc1_has_its_own_hyperparameters_unless_it_is_enc0() -> None:
    own = {"enc1_max_seq_len": "7", "enc1_vocab_size": "9", "enc1_token_embedding_dim": "10"}
    same = parameters.read({**REQUIRED, **own})
    assert same.encoders[1].vocab_size == 100  # AWS's too: aws/sagemaker-python-sdk, issue 834
    apart = parameters.read({**REQUIRED, **own, "enc1_network": "bilstm"})
    assert (apart.encoders[1].vocab_size, apart.encoders[1].layers) == (9, 1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"enc0_vocab_size": "1"}, "1 is less than the minimum of 2"),
        ({"enc0_vocab_size": "3000001"}, "greater than the maximum of 3000000"),
        ({"enc0_network": "lstm"}, "'lstm' is not one of"),
        ({"enc0_layers": "5"}, "'auto'; or an integer between 1 and 4"),
        ({"comparator_list": "hadamard, cosine"}, "any combination of 'hadamard', 'concat'"),
        ({"comparator_list": "concat,concat"}, "each at most once"),
        ({"learning_rate": "nan"}, "'nan' is not of type 'number'"),
        ({"dropout": "1.5"}, "1.5 is greater than the maximum of 1.0"),
        ({"feature_dim": "5"}, "('feature_dim' was unexpected)"),
        ({"enc1_network": "hcnn"}, "enc1_max_seq_len is required"),
        ({"enc0_pretrained_embedding_file": "v.txt"}, "needs enc0_vocab_file"),
        (
            {"token_embedding_storage_type": "row_sparse", "optimizer": "rmsprop"},
            "one of 'adagrad', 'adam', 'sgd' where token_embedding_storage_type is 'row_sparse'",
        ),
        (
            {
                **{"tied_token_embedding_weight": "true", "enc1_network": "hcnn"},
                **{"enc1_max_seq_len": "5", "enc1_vocab_size": "9"},
            },
            "that of enc0_vocab_size, 100",
        ),
    ],
)
def test_what_is_wrong_is_told(given: dict[str, str], said: str) -> None:
    with pytest.raises(ClientError) as told:
        parameters.read({**REQUIRED, **given})
    assert said in str(told.value)


def test_required_ones() -> None:
    with pytest.raises(ClientError, match="'enc0_max_seq_len', 'enc0_vocab_size'"):
        parameters.read({})


def test_tunable_ones_are_hyperparameters() -> None:
    names = json.loads((Path(parameters.__file__).parent / "tunable.json").read_text())
    assert set(names) < set(parameters.TABLE)
