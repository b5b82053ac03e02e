"""How results become files."""

from __future__ import annotations

import json

import pytest

from sagebrush.services.states.map_runs import results


@pytest.mark.parametrize("lines", [False, True])
def test_a_file_that_would_be_too_large_is_followed_by_another(lines: bool) -> None:
    values = [{"n": number, "text": "x" * 10} for number in range(10)]
    found = [b"".join(file) for file in results.files(iter(values), lines, 100)]
    assert len(found) > 2
    assert max(map(len, found)) <= 100
    read = (lambda b: [json.loads(e) for e in b.splitlines()]) if lines else json.loads
    assert [value for file in found for value in read(file)] == values


def test_a_value_that_alone_is_larger_has_a_file_of_its_own() -> None:
    found = [b"".join(file) for file in results.files(["a", "b" * 50, "c"], False, 20)]
    assert [json.loads(file) for file in found] == [["a"], ["b" * 50], ["c"]]
    assert list(results.files([], False)) == []
