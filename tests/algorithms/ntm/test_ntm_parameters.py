"""NTM's hyperparameters, and when its training ends."""

from __future__ import annotations

import math

import pytest
from contract.errors import ClientError
from ntm.parameters import Parameters, read
from ntm.stopping import Patience

REQUIRED = {"feature_dim": "2000", "num_topics": "20"}


def test_defaults_are_the_guides() -> None:
    assert read(REQUIRED) == Parameters(
        feature_dim=2000,
        num_topics=20,
        batch_norm=False,
        clip_gradient=math.inf,
        encoder_layers=(60, 40),
        encoder_layers_activation="sigmoid",
        epochs=50,
        learning_rate=0.001,
        mini_batch_size=256,
        num_patience_epochs=3,
        optimizer="adadelta",
        rescale_gradient=1.0,
        sub_sample=1.0,
        tolerance=0.001,
        weight_decay=0.0,
    )


@pytest.mark.parametrize(
    ("given", "sizes"),
    [("auto", (60, 40)), ("100", (100,)), ("100,50", (100, 50)), ("[100, 50, 25]", (100, 50, 25))],
)
def test_layers_are_read(given: str, sizes: tuple[int, ...]) -> None:
    assert read({**REQUIRED, "encoder_layers": given}).encoder_layers == sizes


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"num_topics": "20"}, "'feature_dim' is a required property"),
        ({**REQUIRED, "feature_dim": "1000001"}, "greater than the maximum of 1000000"),
        ({**REQUIRED, "num_topics": "1"}, "less than the minimum of 2"),
        ({**REQUIRED, "optimizer": "lion"}, "is not one of"),
        ({**REQUIRED, "encoder_layers": "100,0"}, "comma-separated list of positive integers"),
        ({**REQUIRED, "encoder_layers": "[" * 9000}, "comma-separated list of positive integers"),
        ({**REQUIRED, "encoder_layers": ",".join(["1"] * 101)}, "at most 100 sizes"),
        ({**REQUIRED, "encoder_layers": "ten"}, "comma-separated list of positive integers"),
        ({**REQUIRED, "clip_gradient": "0.0001"}, "less than the minimum of 0.001"),
        ({**REQUIRED, "tolerance": "0.2"}, "greater than the maximum of 0.1"),
        ({**REQUIRED, "alpha0": "1"}, "'alpha0' was unexpected"),
    ],
)
def test_what_is_wrong_is_said_in_awss_words(given: dict[str, str], says: str) -> None:
    with pytest.raises(ClientError, match=says):
        read(given)


def test_training_ends_after_so_many_epochs_without_an_improvement() -> None:
    patience = Patience(epochs=2, tolerance=0.01)
    assert patience.told(7.0) == []
    for loss, bad in ((7.0, 0), (6.0, 0), (5.99, 1), (5.0, 0), (4.99, 1)):
        patience = patience.after(loss)
        assert (patience.bad, patience.exhausted) == (bad, False)
    assert patience.told(5.5) == [
        "patience losses:[5.0, 4.99] min patience loss:4.99 current loss:5.5"
        " absolute loss difference:0.5099999999999998",
        "Bad epoch: loss has not improved (enough). Bad count:2",
        "Bad epochs exceeded patience. Stopping training early!",
    ]
    assert patience.after(5.5).exhausted
