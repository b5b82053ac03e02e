"""BlazingText's hyperparameters."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from sagebrush.algorithms.blazingtext.parameters import (
    ClientError,
    Parameters,
    WordParameters,
    read,
)


def test_defaults_are_the_guides() -> None:
    assert read({"mode": "supervised"}) == Parameters(
        mode="supervised",
        buckets=2_000_000,
        early_stopping=False,
        epochs=5,
        learning_rate=0.05,
        min_count=5,
        min_epochs=5,
        patience=4,
        vector_dim=100,
        word_ngrams=2,
    )


@pytest.mark.parametrize("mode", ["batch_skipgram", "cbow", "skipgram"])
def test_defaults_of_the_word2vec_modes_are_the_guides(mode: str) -> None:
    assert read({"mode": mode}) == WordParameters(
        mode=mode,
        batch_size=11,
        buckets=2_000_000,
        epochs=5,
        evaluation=True,
        learning_rate=0.05,
        max_char=6,
        min_char=3,
        min_count=5,
        negative_samples=5,
        sampling_threshold=0.0001,
        subwords=False,
        vector_dim=100,
        window_size=5,
    )


def test_aws_notebook_on_subwords_is_read() -> None:
    found = read(
        {
            "mode": "skipgram", "epochs": "5", "min_count": "5", "sampling_threshold": "0.0001",
            "learning_rate": "0.05", "window_size": "5", "vector_dim": "100",
            "negative_samples": "5", "subwords": "True", "min_char": "3", "max_char": "6",
            "batch_size": "11", "evaluation": "True",
        }
    )  # fmt: skip
    assert found == WordParameters("skipgram", subwords=True)


def test_supervised_parameters_do_nothing_in_the_word2vec_modes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    read({"mode": "cbow", "patience": "4", "early_stopping": "True"})
    assert "Not used in cbow mode: early_stopping, patience" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"mode": "batch_skipgram", "subwords": "True"}, "not supported by batch_skipgram"),
        (
            {"min_char": "4", "max_char": "3", "subwords": "True"},
            "expects an integer up to max_char, which is 3",
        ),
        ({"sampling_threshold": "1.5"}, "1.5 is greater than the maximum of 1"),
        ({"sampling_threshold": "0"}, "0.0 is less than or equal to the minimum of 0"),
        ({"batch_size": "0"}, "0 is less than the minimum of 1"),
        ({"window_size": "0"}, "0 is less than the minimum of 1"),
        ({"negative_samples": "-1"}, "-1 is less than the minimum of 1"),
        ({"evaluation": "WS-353"}, "'WS-353' is not one of ['true', 'false']"),
        ({"subword": "True"}, "('subword' was unexpected)"),
    ],
)
def test_what_the_word2vec_modes_cannot_use_is_named(given: dict[str, str], words: str) -> None:
    with pytest.raises(ClientError) as error:
        read({"mode": "skipgram", **given})
    assert words in str(error.value)
    assert "(caused by ValidationError)\n\nCaused by: " in str(error.value)


def test_strings_of_every_sdk_are_read() -> None:
    found = read(
        {
            "mode": '"supervised"',
            "epochs": "10",
            "buckets": "1000000.0",
            "learning_rate": "5e-2",
            "early_stopping": "true",
            "min_count": "0",
            "_tuning_objective_metric": "validation:accuracy",
            "sagemaker_region": "us-east-1",
        }
    )
    assert isinstance(found, Parameters)
    assert (found.mode, found.epochs, found.buckets) == ("supervised", 10, 1_000_000)
    assert (found.learning_rate, found.early_stopping, found.min_count) == (0.05, True, 0)


def test_word2vec_parameters_are_passed_over_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    read({"mode": "supervised", "subwords": "True", "window_size": "5"})
    assert "Not used in supervised mode: subwords, window_size" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("mode", "classify", "'classify' is not one of"),
        ("epochs", "0", "0 is less than the minimum of 1"),
        ("epochs", "2.5", "'2.5' is not of type 'integer'"),
        ("epochs", "1e400", "'1e400' is not of type 'integer'"),
        ("epochs", "99999999999", "greater than the maximum"),
        ("min_count", "-1", "-1 is less than the minimum of 0"),
        ("buckets", "", "'' is not of type 'integer'"),
        ("learning_rate", "0", "0.0 is less than or equal to the minimum of 0"),
        ("learning_rate", "nan", "'nan' is not of type 'number'"),
        ("learning_rate", "fast", "'fast' is not of type 'number'"),
        ("early_stopping", "maybe", "'maybe' is not one of ['true', 'false']"),
        ("patience", "0", "0 is less than the minimum of 1"),
        ("word_ngrams", "0", "0 is less than the minimum of 1"),
        ("vector_dim", "-3", "-3 is less than the minimum of 1"),
    ],
)
def test_what_cannot_be_used_is_named(name: str, value: str, words: str) -> None:
    with pytest.raises(ClientError) as error:
        read({"mode": "supervised", name: value})
    assert words in str(error.value)
    assert repr(name) in str(error.value)


def test_several_unknown_names_are_all_told() -> None:
    with pytest.raises(ClientError, match=r"\('dim', 'lr' were unexpected\)"):
        read({"mode": "supervised", "lr": "1", "dim": "3"})


@pytest.mark.parametrize(
    ("heading", "kind"), [("Text classification", Parameters), ("Word vectors", WordParameters)]
)
def test_the_page_has_every_parameter_with_its_default(
    heading: str, kind: type[Parameters] | type[WordParameters]
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "blazingtext.md").read_text()
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", section, re.MULTILINE))
    fields = dataclasses.fields(kind)
    expected = {f.name: str(f.default) for f in fields if f.name != "mode"}
    assert found == expected | {"mode": "(required)"}
