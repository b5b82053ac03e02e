"""Selectable inference of XGBoost's models: keys, values and formats, as AWS's container answers them."""

from __future__ import annotations

import json
import math

import pytest

from sagebrush.toolkit.serving.frameworks.selectable import chosen, encode, select


def test_a_binary_classification_has_label_and_probabilities() -> None:
    keys = chosen("predicted_label, probability,PROBABILITIES,labels")
    assert keys == ["predicted_label", "probability", "probabilities", "labels"]
    rows = select([0.75, 0.25], keys, "binary:logistic", 0)
    assert rows[0] == {
        "predicted_label": 1,
        "probability": 0.75,
        "probabilities": [0.25, 0.75],
        "labels": [0, 1],
    }
    assert encode(rows, "text/csv", batch=True) == (
        b'1,0.75,"[0.25, 0.75]","[0, 1]"\n0,0.25,"[0.75, 0.25]","[0, 1]"\n'
    )
    lines = encode(rows, "application/jsonlines", batch=False).splitlines()
    assert [json.loads(line)["predicted_label"] for line in lines] == [1, 0]


def test_classes_have_the_winning_one_and_a_raw_score() -> None:
    keys = ["predicted_label", "probability", "raw_scores", "labels"]
    rows = select([[0.1, 0.7, 0.2]], keys, "multi:softprob", 3)
    assert rows == [
        {
            "predicted_label": 1,
            "probability": 0.7,
            "raw_scores": [0.1, 0.7, 0.2],
            "labels": [0, 1, 2],
        }
    ]
    assert select([-0.5], ["predicted_label"], "binary:logitraw", 0) == [{"predicted_label": 0}]


def test_a_regression_has_a_score_and_no_probability() -> None:
    rows = select([2.5], ["predicted_score", "probability"], "reg:squarederror", 0)
    assert rows[0]["predicted_score"] == 2.5
    assert math.isnan(rows[0]["probability"])
    body = json.loads(encode(rows, "application/json", batch=False))
    assert body["predictions"][0]["predicted_score"] == 2.5


def test_an_objective_without_keys_is_refused() -> None:
    with pytest.raises(ValueError, match="`rank:map` unsupported for selectable inference"):
        select([1.0], ["probability"], "rank:map", 0)
