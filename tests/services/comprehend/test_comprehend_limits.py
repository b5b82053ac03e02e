"""How much text a request may hold: in bytes of UTF-8, to the byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sagebrush.errors import AwsError
from sagebrush.services.comprehend import limits


def refused(check: Callable[..., None], *given: Any) -> tuple[str, str]:
    with pytest.raises(AwsError) as error:
        check(*given)
    assert error.value.status == 400
    return error.value.code, error.value.message


def too_long(most: int, size: int) -> tuple[str, str]:
    return (
        "TextSizeLimitExceededException",
        f"Input text size exceeds limit. Max length of request text allowed is {most} bytes while in"
        f" this request the text size is {size} bytes",
    )


@pytest.mark.parametrize("most", [5_000, 100_000])
def test_a_text_may_have_as_many_bytes_and_no_more(most: int):
    limits.check_text("x" * most, most)
    assert refused(limits.check_text, "x" * (most + 1), most) == too_long(most, most + 1)


@pytest.mark.parametrize(("character", "size"), [("é", 2), ("語", 3), ("👍", 4), ("\0", 1)])
def test_bytes_are_counted_not_characters(character: str, size: int):
    most = 5_000 // size
    limits.check_text(character * most, 5_000)
    found = refused(limits.check_text, character * (most + 1), 5_000)
    assert found == too_long(5_000, (most + 1) * size)


def test_only_whole_characters_have_bytes():
    code, message = refused(limits.check_text, "ab\ud800", 5_000)
    assert code == "InvalidRequestException"
    assert "half of a surrogate pair at offset 2" in message


def test_a_batch_has_25_documents_of_5000_bytes():
    limits.check_batch(["x" * 5_000] * 25)
    assert refused(limits.check_batch, ["x"] * 26) == (
        "BatchSizeLimitExceededException",
        "Please use a smaller number of items in a single batch. Maximum batch size is 25.",
    )
    assert refused(limits.check_batch, ["x", "é" * 2_501]) == too_long(5_000, 5_002)


def test_toxicity_takes_ten_segments_of_a_kilobyte():
    limits.check_segments(["x" * 1_024] * 10)
    assert refused(limits.check_segments, ["x" * 1_025]) == too_long(1_024, 1_025)
    code, message = refused(limits.check_segments, ["x"] * 11)
    assert (code, "Maximum number is 10." in message) == ("InvalidRequestException", True)
