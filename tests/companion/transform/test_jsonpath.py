"""Filters in AWS's subset of JSONPath: what they select, what is no filter."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.companion.transform import jsonpath

RECORD: dict[str, Any] = {
    "id": 7,
    "a b": 1,
    "in": {"x": [1, 2, 3], "y": {"z": "q"}},
    "l": [[1], [2]],
}
ROW = ["a", "b", "c", "d", "e", "f", "g"]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("$", RECORD),
        ("$.id", 7),
        ("$['id']", 7),
        ("$.in.x", [1, 2, 3]),
        ("$.in.x[0]", 1),
        ("$.in.x[-1]", 3),
        ("$.in['x'][1]", 2),
        ("$.in.['x','y']", {"x": [1, 2, 3], "y": {"z": "q"}}),
        ("$['id','l']", {"id": 7, "l": [[1], [2]]}),
        ("$['id','absent']", {"id": 7}),
        ("$[ 'id' , 'a b' ]", {"id": 7, "a b": 1}),
        ("$.in.y.*", ["q"]),
        ("$.l[*][0]", [1, 2]),
        ("$.l.*[0]", [1, 2]),
        ("$.in['y','y'].z", ["q", "q"]),
        ("$.in.x[0,2]", [1, 3]),
    ],
)
def test_what_a_path_selects_of_an_object(path: str, wanted: Any) -> None:
    assert jsonpath.parse(path).select(RECORD) == wanted


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("$", ROW),
        ("$[0]", "a"),
        ("$[-1]", "g"),
        ("$[1,3,5]", ["b", "d", "f"]),
        ("$[0,-1]", ["a", "g"]),
        ("$[0, -1]", ["a", "g"]),
        ("$[1:]", ["b", "c", "d", "e", "f", "g"]),
        ("$[1:4]", ["b", "c", "d", "e"]),  # "the second through fifth columns"
        ("$[:5]", ["a", "b", "c", "d", "e", "f"]),  # "through the sixth column"
        ("$[5:]", ["f", "g"]),  # "from the 6th column"
        ("$[-2:]", ["f", "g"]),
        ("$[0:-2]", ["a", "b", "c", "d", "e", "f"]),
        ("$[0,5:]", ["a", "f", "g"]),
        ("$[*]", ROW),
        ("$[:]", ROW),
        ("$[4:2]", []),
    ],
)
def test_what_a_path_selects_of_a_row(path: str, wanted: Any) -> None:
    assert jsonpath.parse(path, csv=True).select(ROW) == wanted


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", 'begin with "$"'),
        ("id", 'begin with "$"'),
        ("$.account_id", 'Unexpected "_"'),
        ("$..id", 'a name is expected after "."'),
        ("$.", 'a name is expected after "."'),
        ("$id", 'Unexpected "i"'),
        ("$$", 'Unexpected "$"'),
        ("$[", "is not closed"),
        ("$[1", "is not closed"),
        ("$[]", "neither"),
        ("$['a',1]", "neither"),
        ("$['a]", "neither"),
        ("$[a]", "neither"),
        ("$[1,]", "neither"),
        ("$[1:2:3]", "neither"),
        ("$[?(@.a)]", 'Unexpected "?"'),
        ('$["a"]', "Unexpected"),
        ("$[0:2,246:]", "only single range filters of format (eg: [1:5]) are supported. Format"
                        " [0:2,246:] is not supported"),
        ("$[9999999999]", "neither"),
        ("$.é", "Unexpected"),
    ],
)  # fmt: skip
def test_what_is_no_path(path: str, why: str) -> None:
    with pytest.raises(jsonpath.Invalid) as caught:
        jsonpath.parse(path)
    assert why in str(caught.value)


def test_awss_sentence_for_a_character() -> None:
    with pytest.raises(jsonpath.Invalid) as caught:
        jsonpath.parse("$['account_id','SageMakerOutput']")
    assert str(caught.value) == (
        'Unexpected "_" in JsonPath. Supported operators for "application/jsonlines" are'
        " ['$', '[', ']', '*', '.', ' ', ',', ':', '-', ''']"
    )


@pytest.mark.parametrize("path", ["$.a", "$['a']", "$[1][2]", "$[*][0]"])
def test_rows_have_indexes_alone(path: str) -> None:
    with pytest.raises(jsonpath.Invalid):
        jsonpath.parse(path, csv=True)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.a", {}),
        ("$.a", [1]),
        ("$.a.b", {"a": 1}),
        ("$['a','b']", [1]),
        ("$[0]", {"a": 1}),
        ("$[0]", []),
        ("$[2]", [1, 2]),
        ("$[-3]", [1, 2]),
        ("$[1:5]", [1, 2]),
        ("$[2:]", [1, 2]),
        ("$.*", 3),
        ("$[*]", "text"),
    ],
)
def test_what_is_not_there(path: str, value: Any) -> None:
    with pytest.raises(jsonpath.Missing):
        jsonpath.parse(path).select(value)


@given(st.text(alphabet="$[]*. ,:-'ab09_", max_size=12))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        path = jsonpath.parse(text)
    except jsonpath.Invalid:
        return
    with contextlib.suppress(jsonpath.Missing):
        path.select({"a": [{"b": 1}, 2], "b": {}})


@given(st.lists(st.integers(), min_size=1, max_size=9), st.data())
def test_a_range_includes_both_ends(row: list[int], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(row) - 1))
    last = data.draw(st.integers(first, len(row) - 1))
    assert jsonpath.parse(f"$[{first}:{last}]").select(row) == row[first : last + 1]
