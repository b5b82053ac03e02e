"""Lines of product reviews: features, their opinions, and where a sentence names them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from sagebrush.nlp.training import products

LINES = """[t]a title
camera[+2], battery life[-1]##the camera is great but the battery life is poor .
size[+1][u]##it fits in every pocket .
##i bought it last week .
zoom[+3]##the zoom ! what a zoom !
[-]##too short
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with both collections, one of them empty."""
    folder = tmp_path / "nltk_data" / "corpora"
    folder.mkdir(parents=True)
    for name, text in (("product_reviews_1", LINES), ("product_reviews_2", "")):
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as kept:
            kept.writestr(f"{name}/Camera.txt", text)
            kept.writestr(f"{name}/README.txt", "camera[+1]##this is no review at all")
    return tmp_path


def test_opinions(data: Path) -> None:
    told = products.opinions(data)
    assert [each.labels[0] for each in told] == ["MIXED", "POSITIVE", "NEUTRAL", "POSITIVE"]
    assert told[2].weight < told[0].weight


def test_targets_are_what_a_sentence_names_once(data: Path) -> None:
    told = [
        (each.text[each.spans[0].begin : each.spans[0].end], each.labels[0])
        for each in products.targets(data)
    ]
    assert told == [("camera", "POSITIVE"), ("battery life", "NEGATIVE")]
