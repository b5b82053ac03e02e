"""Hyperparameters read by a table: types, ranges, defaults, AWS's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from contract.errors import ClientError
from contract.hyperparameters import Boolean, Choice, Integer, Kind, Number, Text, read
from lda import parameters as lda
from ntm import parameters as ntm

TABLE: dict[str, Kind] = {
    "num_topics": Integer(least=2, most=1000, required=True),
    "epochs": Integer(50, least=1),
    "k": Integer("auto", least=1, also=("auto",)),
    "alpha0": Number(0.1, above=0),
    "rate": Number(0.01, least=1e-6, most=1),
    "half": Number(0.5, below=1, least=0),
    "optimizer": Choice(("adam", "sgd"), "adam"),
    "batch_norm": Boolean(False),
    "encoder_layers": Text("auto", pattern=r"auto|\[\d+(, ?\d+)*\]"),
    "note": Text(),
}


def refused(**given: str) -> str:
    with pytest.raises(ClientError) as error:
        read({"num_topics": "5", **given}, TABLE)
    return str(error.value)


def test_values_and_defaults() -> None:
    assert read({"num_topics": "5"}, TABLE) == {
        "num_topics": 5, "epochs": 50, "k": "auto", "alpha0": 0.1, "rate": 0.01, "half": 0.5,
        "optimizer": "adam", "batch_norm": False, "encoder_layers": "auto", "note": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("epochs", "7", 7),
        ("epochs", "7.0", 7),
        ("epochs", " 1e2 ", 100),
        ("k", "auto", "auto"),
        ("k", "3", 3),
        ("rate", "1", 1.0),
        ("optimizer", '"sgd"', "sgd"),
        ("batch_norm", "True", True),
        ("batch_norm", "0", False),
        ("encoder_layers", "[100, 50]", "[100, 50]"),
        ("note", '"a b"', "a b"),
    ],
)
def test_texts_become_values(name: str, text: str, value: Any) -> None:
    found = read({"num_topics": "5", name: text}, TABLE)[name]
    assert found == value
    assert type(found) is type(value)


def test_the_platforms_own_names_are_passed_over() -> None:
    found = read(
        {"num_topics": "5", "_tuning_objective_metric": "x", "sagemaker_job_name": "y"}, TABLE
    )
    assert "_tuning_objective_metric" not in found


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"epochs": "0"}, "The value '0' is not valid for the 'epochs' hyperparameter which expects an"
         " integer greater than or equal to 1 (caused by ValidationError)\n\nCaused by: 0 is less than"
         " the minimum of 1"),
        ({"num_topics": "1001"}, "expects an integer between 2 and 1000"),
        ({"epochs": "1.5"}, "'1.5' is not of type 'integer'"),
        ({"epochs": "many"}, "The value 'many' is not valid for the 'epochs' hyperparameter"),
        ({"epochs": "1_0"}, "not of type 'integer'"),
        ({"k": "0"}, "expects one of the following: 'auto'; or an integer greater than or equal to 1"),
        ({"alpha0": "0"}, "expects a number greater than 0"),
        ({"alpha0": "nan"}, "'nan' is not of type 'number'"),
        ({"alpha0": "1e999"}, "not of type 'number'"),
        ({"rate": "2"}, "expects a number between 1e-06 and 1"),
        ({"half": "1"}, "greater than or equal to 0 and less than 1"),
        ({"optimizer": "lbfgs"}, "The value 'lbfgs' is not valid for the 'optimizer' hyperparameter"
         " which accepts one of the following: 'adam', 'sgd'"),
        ({"batch_norm": "yes"}, "which accepts one of the following: 'true', 'false'"),
        ({"encoder_layers": "[a]"}, "expects a string which matches the pattern"),
        ({"topics": "1", "alpha": "2"}, "Additional hyperparameters are not allowed ('alpha', 'topics'"
         " were unexpected)"),
        ({"topics": "1"}, "('topics' was unexpected)"),
    ],
)  # fmt: skip
def test_wrong_values_are_told_in_awss_words(given: dict[str, str], words: str) -> None:
    assert words in refused(**given)


def test_a_missing_one_is_told() -> None:
    with pytest.raises(ClientError) as error:
        read({}, TABLE)
    assert str(error.value) == (
        "No value(s) were specified for 'num_topics' which are required hyperparameter(s) (caused by"
        " ValidationError)\n\nCaused by: 'num_topics' is a required property"
    )


@pytest.mark.parametrize(("page", "table"), [("lda", lda.TABLE), ("ntm", ntm.TABLE)])
def test_an_algorithms_page_has_every_hyperparameter_with_its_default(
    page: str, table: Mapping[str, Kind]
) -> None:
    text = (Path(__file__).parents[3] / "docs" / f"{page}.md").read_text()
    section = text.partition("\n## Hyperparameters\n")[2].partition("\n## ")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", section, re.MULTILINE))
    assert set(told) == set(table)
    for name, kind in table.items():
        if kind.required:
            assert told[name] == "(required)"
        elif isinstance(kind, (Integer, Number)) and not isinstance(kind.default, str):
            assert float(told[name]) == kind.default, name
        else:
            assert told[name].casefold() == str(kind.default).casefold(), name
