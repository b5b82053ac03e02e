"""JSON that somebody else wrote, nested deeper than the interpreter can read."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from sagebrush.access import grammar, policy
from sagebrush.aws.scalars import json_of
from sagebrush.engine.kinds import paginate
from sagebrush.errors import AwsError

DEEP = "[" * 2400


def test_it_is_a_value_error() -> None:
    assert json_of('{"a": [1]}') == json_of(b'{"a": [1]}') == {"a": [1]}
    for text in (DEEP, '{"a":' * 2000):
        with pytest.raises(ValueError, match="nested too deeply"):
            json_of(text)


@pytest.mark.parametrize(
    ("read", "error"),
    [
        (lambda: grammar.parse(DEEP), policy.Malformed),
        (lambda: paginate([], base64.b64encode(DEEP.encode()).decode(), 1), AwsError),
    ],
)
def test_who_reads_it_tells_what_is_wrong(
    read: Callable[[], object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        read()
