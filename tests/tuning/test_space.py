"""Ranges out of AWS's documents: what they accept, how they scale, the texts that trials are given."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.tuning.space import BadRange, Choice, Number, guess, parse, ranges_of

SCALES = st.sampled_from(["Linear", "Logarithmic", "ReverseLogarithmic"])


def continuous(low: str, high: str, scale: str = "Auto", name: str = "x") -> dict[str, str]:
    return {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": scale}


@given(st.floats(1e-6, 0.9), st.floats(0, 0.99), st.floats(0, 1), SCALES, st.booleans())
def test_values_lie_in_their_range_and_survive_their_text(
    low: float, width: float, share: float, scale: str, whole: bool
) -> None:
    if whole:
        one = Number("x", round(1 + low * 100), round(1 + low * 100 + width * 1000), True,
                     "Linear" if scale == "ReverseLogarithmic" else scale)  # fmt: skip
    else:
        one = Number("x", low, min(low + width, 0.999), False, scale)
    value = one.at(share)
    assert isinstance(value, (int, float))
    assert one.low <= value <= one.high
    assert one.read(one.text(value)) == value


@pytest.mark.parametrize(
    ("scale", "low", "high", "middle"),
    [
        ("Linear", 0.0, 1.0, 0.5),
        ("Logarithmic", 0.0001, 1.0, 0.01),
        ("ReverseLogarithmic", 0.0, 0.9999, 0.99),
    ],
)
def test_the_middle_of_a_range_is_where_its_scale_says(
    scale: str, low: float, high: float, middle: float
) -> None:
    one = Number("x", low, high, False, scale)
    assert math.isclose(float(one.at(0.5)), middle, rel_tol=1e-6)
    assert math.isclose(one.share(middle), 0.5, rel_tol=1e-6)


def test_both_ends_of_an_integer_range_are_as_likely_as_its_middle() -> None:
    one = Number("n", 1, 3, True)
    found = [one.at((i + 0.5) / 300) for i in range(300)]
    assert [found.count(n) for n in (1, 2, 3)] == [100, 100, 100]


@pytest.mark.parametrize(
    ("low", "high", "whole", "scale"),
    [
        ("0.0001", "0.1", False, "Logarithmic"),
        ("1", "500", True, "Logarithmic"),
        ("1", "50", True, "Linear"),
        ("0", "1", False, "Linear"),
        ("-5", "5", False, "Linear"),
        ("0.5", "0.999", False, "ReverseLogarithmic"),
    ],
)
def test_auto_chooses_a_scale(low: str, high: str, whole: bool, scale: str) -> None:
    member = "IntegerParameterRanges" if whole else "ContinuousParameterRanges"
    (one,) = parse({member: [continuous(low, high)]}).ranges
    assert isinstance(one, Number)
    assert one.scale == scale


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        ({"ContinuousParameterRanges": [continuous("2", "1")]}, "is greater than its MaxValue"),
        ({"ContinuousParameterRanges": [continuous("a", "1")]}, "[a] of the continuous"),
        ({"ContinuousParameterRanges": [continuous("0", "inf")]}, "is not a number"),
        ({"IntegerParameterRanges": [continuous("0.5", "1")]}, "is not an integer"),
        ({"IntegerParameterRanges": [continuous("1", "1e30")]}, "too large"),
        ({"ContinuousParameterRanges": [continuous("0", "1", "Logarithmic")]}, "greater than 0"),
        ({"ContinuousParameterRanges": [continuous("0", "1", "ReverseLogarithmic")]}, "0<=x<1.0"),
        ({"IntegerParameterRanges": [continuous("0", "1", "ReverseLogarithmic")]}, "continuous"),
        ({"CategoricalParameterRanges": [{"Name": "c", "Values": ["a", "a"]}]}, "a value twice"),
        (
            {
                "ContinuousParameterRanges": [continuous("0", "1")],
                "IntegerParameterRanges": [continuous("0", "1")],
            },
            "more than one range",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused(ranges: dict[str, object], words: str) -> None:
    with pytest.raises(BadRange) as caught:
        parse(ranges)
    assert words in str(caught.value)


def test_texts_are_as_aws_writes_them() -> None:
    space = parse(
        {
            "IntegerParameterRanges": [continuous("1", "5", name="n")],
            "ContinuousParameterRanges": [continuous("0", "1", name="x")],
            "CategoricalParameterRanges": [{"Name": "c", "Values": ['"sgd"', '"adam"']}],
        }
    )
    assert space.text({"n": 3, "x": 0.5, "c": '"sgd"'}) == {"n": "3", "x": "0.5", "c": '"sgd"'}
    assert space.read({"n": "3.0", "x": '"0.5"', "c": '"sgd"'}) == {"n": 3, "x": 0.5, "c": '"sgd"'}
    assert space.read({"n": "9", "x": "0.5", "c": '"sgd"'}) is None
    assert space.read({"n": "3", "x": "0.5"}) is None
    assert space.count == math.inf
    assert ranges_of(space)["IntegerParameterRanges"] == [
        {"Name": "n", "MinValue": "1", "MaxValue": "5", "ScalingType": "Linear"}
    ]


def test_autotune_searches_around_numbers_and_leaves_texts_alone() -> None:
    hints = {
        "epochs": "10", "lr": "0.01", "momentum": "0.9", "shuffle": "true", "seed": "0",
        "shift": "-10", "optimizer": '"sgd"', "sagemaker_container_log_level": "20",
    }  # fmt: skip
    space, left = guess([{"Name": n, "ValueHint": v} for n, v in hints.items()])
    found = {each.name: each for each in space.ranges}
    assert left == {"optimizer": '"sgd"', "sagemaker_container_log_level": "20"}
    assert found["epochs"] == Number("epochs", 2, 50, True, "Logarithmic")
    assert found["shuffle"] == Choice("shuffle", ("true", "false"))
    for name, one in found.items():
        assert one.read(hints[name]) is not None, name
        if isinstance(one, Number):
            assert parse(ranges_of(type(space)((one,))))
    momentum = found["momentum"]
    assert isinstance(momentum, Number)
    assert momentum.high < 1
