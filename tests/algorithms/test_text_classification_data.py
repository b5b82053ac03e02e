"""data.csv and the hyperparameters of Text Classification - TensorFlow: what is read, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from contract.channels import Channel
from contract.errors import ClientError
from contract.job import Job
from text_classification_tensorflow import data, parameters, transfer_learning


def channel(folder: Path, content: bytes | None) -> Channel:
    """The channel `training` with that data.csv, or none."""
    if content is not None:
        (folder / "data.csv").write_bytes(content)
    return Channel("training", "", folder)


def test_labels_and_texts_are_read_as_csv_has_them(tmp_path: Path) -> None:
    content = '\ufeff3,plain text\r\n0,"a, ""quoted"" text\nof two lines"\r\n\r\n3,Größe\r\n'
    found = data.read(channel(tmp_path, content.encode()))
    assert found.texts == ("plain text", 'a, "quoted" text\nof two lines', "Größe")
    assert found.labels == (3, 0, 3)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (
            b"sentiment,text\n0,a\n",
            "line 1: the label 'sentiment' is not an integer (the file must not have a header line)",
        ),
        (b"0,a\n1.5,b\n", "line 2: the label '1.5' is not an integer"),
        (b"0,a\n,b\n", "line 2: the label '' is not an integer"),
        (b"0,a\n-1,b\n", "line 2: the label -1 is negative"),
    ],
)
def test_labels_that_are_none_are_refused_with_their_line(
    tmp_path: Path, content: bytes, why: str
) -> None:
    with pytest.raises(ClientError) as refused:
        data.read(channel(tmp_path, content))
    assert "Unable to read data channel 'training'" in str(refused.value)
    assert why in str(refused.value)


def test_the_split_is_the_same_in_every_job_and_leaves_something_to_train_on() -> None:
    examples = data.Examples(tuple(range(10)), tuple(map(str, range(10))))
    training, validation = data.split(examples, 0.2)
    assert (len(training), len(validation)) == (8, 2)
    assert sorted((*training.labels, *validation.labels)) == list(range(10))
    assert data.split(examples, 0.2) == (training, validation)
    assert data.split(examples, 0.0) == (examples, data.Examples((), ()))
    assert len(data.split(examples, 0.01)[1]) == 1
    with pytest.raises(ClientError, match="'validation_split_ratio' hyperparameter which expects"):
        data.split(examples, 1.0)


def test_hyperparameters_have_the_guides_defaults() -> None:
    found = parameters.read({"sagemaker_program": "transfer_learning.py", "model_dir": "s3://b/m"})
    assert dataclasses.asdict(found) == {
        **{"batch_size": 32, "beta_1": 0.9, "beta_2": 0.999, "dropout_rate": 0.2, "epochs": 10},
        **{"early_stopping": False, "early_stopping_min_delta": 0.0, "early_stopping_patience": 5},
        **{"epsilon": 1e-7, "initial_accumulator_value": 0.0001, "learning_rate": 0.001},
        **{"momentum": 0.9, "optimizer": "adam", "regularizers_l2": 0.0001, "rho": 0.95},
        **{"reinitialize_top_layer": "Auto", "train_only_on_top_layer": False},
        **{"validation_split_ratio": 0.2, "warmup_steps_fraction": 0.1},
    }


def test_hyperparameters_come_as_the_sdks_and_notebooks_write_them() -> None:
    found = parameters.read(
        {
            "batch_size": '"32"', "batch-size": '"64"', "early_stopping": '"True"', "eps": "0.1",
            "reinitialize_top_layer": "true", "train_only_on_top_layer": "true", "epochs": "5.0",
        }
    )  # fmt: skip
    assert (found.batch_size, found.epochs, found.epsilon) == (64, 5, 0.1)
    assert (found.early_stopping, found.train_only_on_top_layer) == (True, True)
    assert found.reinitialize_top_layer == "True"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (
            "epochs",
            "0",
            "The value '0' is not valid for the 'epochs' hyperparameter which expects an",
        ),
        ("batch_size", "x", "which expects an integer greater than or equal to 1"),
        ("dropout_rate", "1.1", "which expects a number between 0.0 and 1.0"),
        ("learning_rate", "nan", "which expects a number between 0.0 and 1.0"),
        ("optimizer", "lamb", "which accepts one of the following: 'adamw', 'adam', 'sgd'"),
        ("early_stopping", "maybe", "which accepts one of the following: 'true', 'false'"),
        (
            "reinitialize_top_layer",
            "x",
            "which accepts one of the following: 'Auto', 'True', 'False'",
        ),
        ("batch", "3", "Additional hyperparameters are not allowed ('batch' was unexpected)"),
    ],
)
def test_wrong_hyperparameters_are_refused_in_awss_words(name: str, value: str, words: str) -> None:
    with pytest.raises(ClientError) as refused:
        parameters.read({name: value})
    assert words in str(refused.value)


def test_the_channels_of_sdk_3_are_taken_and_one_instance_is(tmp_path: Path) -> None:
    names = ("training", "model", "code", "sm_drivers")
    channels = {name: Channel(name, "", tmp_path) for name in names}
    with pytest.raises(ClientError, match="has no file data"):
        transfer_learning.train(Job(tmp_path, {}, channels))
    with pytest.raises(ClientError, match="one instance; this job has 2"):
        transfer_learning.train(Job(tmp_path, {}, channels, hosts=("algo-1", "algo-2")))
    with pytest.raises(ClientError, match="'labels' was unexpected"):
        transfer_learning.train(Job(tmp_path, {}, {**channels, "labels": channels["code"]}))
