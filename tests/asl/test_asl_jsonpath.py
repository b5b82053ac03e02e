"""JSONPath beside the documented examples of Jayway and AWS.

Sources: the README of github.com/json-path/JsonPath ("Path Examples", "Operators", "Functions",
"Filter Operators"); Step Functions developer guide, "Paths", "Input and output processing".
"""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.asl.jsonpath import BadPath, read_path
from sagebrush.asl.values import MISSING

BOOKS = [
    {
        "category": "reference",
        "author": "Nigel Rees",
        "title": "Sayings of the Century",
        "price": 8.95,
    },
    {"category": "fiction", "author": "Evelyn Waugh", "title": "Sword of Honour", "price": 12.99},
    {
        "category": "fiction",
        "author": "Herman Melville",
        "title": "Moby Dick",
        "isbn": "0-553-21311-3",
        "price": 8.99,
    },
    {
        "category": "fiction",
        "author": "J. R. R. Tolkien",
        "title": "The Lord of the Rings",
        "isbn": "0-395-19395-8",
        "price": 22.99,
    },
]
BICYCLE = {"color": "red", "price": 19.95}
STORE = {"store": {"book": BOOKS, "bicycle": BICYCLE}, "expensive": 10}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.store.book[*].author", [book["author"] for book in BOOKS]),
        ("$..author", [book["author"] for book in BOOKS]),
        ("$.store.*", [BOOKS, BICYCLE]),
        ("$.store..price", [8.95, 12.99, 8.99, 22.99, 19.95]),
        ("$..book[2]", [BOOKS[2]]),
        ("$..book[-2]", [BOOKS[2]]),
        ("$..book[0,1]", BOOKS[:2]),
        ("$..book[:2]", BOOKS[:2]),
        ("$..book[1:2]", BOOKS[1:2]),
        ("$..book[-2:]", BOOKS[2:]),
        ("$..book[2:]", BOOKS[2:]),
        ("$..book[?(@.isbn)]", BOOKS[2:]),
        ("$.store.book[?(@.price < 10)]", [BOOKS[0], BOOKS[2]]),
        ("$..book[?(@.price <= $['expensive'])]", [BOOKS[0], BOOKS[2]]),
        ("$..book[?(@.author =~ /.*REES/i)]", [BOOKS[0]]),
        ("$..book.length()", 1),
        ("$.store.book.length()", 4),
        ("$['store']['book'][0]['title']", "Sayings of the Century"),
        ("$.store.book[?(@.price < 10 && @.category == 'fiction')]", [BOOKS[2]]),
        ("$.store.book[?(@.category == 'reference' || @.price > 20)]", [BOOKS[0], BOOKS[3]]),
        (
            "$.store.book[?(!(@.price < 10 && @.category == 'fiction'))]",
            [BOOKS[0], BOOKS[1], BOOKS[3]],
        ),
        ("$..book[?(@.category in ['reference', 'x'])].title", ["Sayings of the Century"]),
        ("$..book[?(@.category nin ['reference'])].price", [12.99, 8.99, 22.99]),
        ("$..book[?(@.title size 9)].title", ["Moby Dick"]),
        ("$.store.book[0]['title','price']", [{"title": "Sayings of the Century", "price": 8.95}]),
        ("$.store.book..price.min()", 8.95),
        ("$.store.book..price.max()", 22.99),
        ("$.store.bicycle.keys()", ["color", "price"]),
        ("$.store.book.first().title", None),
        ("$.store.book[0].title", "Sayings of the Century"),
        ("$.expensive", 10),
        ("$", STORE),
    ],
)
def test_jayways_examples(path: str, found: Any) -> None:
    if found is None:
        with pytest.raises(BadPath):
            read_path(path)
    else:
        assert read_path(path).of(STORE) == found


GUIDE = {
    "a": [1, 2, 3, 4],
    "foo": 123,
    "bar": ["a", "b", "c"],
    "car": {"cdr": True},
    "dash-ed": {"x y": 1},
    "nested": [[1, 2], [3, [4]]],
    "null": None,
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.foo", 123),
        ("$.bar", ["a", "b", "c"]),
        ("$.car.cdr", True),
        ("$.a[0:2]", [1, 2]),
        ("$.a[-1]", 4),
        ("$.dash-ed['x y']", 1),
        ("$['dash-ed'].['x y']", 1),
        ("$.nested[*][*]", [1, 2, 3, [4]]),
        ("$.null", None),
        ("$.nope", MISSING),
        ("$.foo.bar", MISSING),
        ("$.a[9]", MISSING),
        ("$.foo[0]", MISSING),
        ("$.nope[*]", MISSING),
        ("$..nope", []),
        ("$.bar[?(@ == 'z')]", []),
    ],
)
def test_the_guides_examples(path: str, found: Any) -> None:
    """`$.a[0:2]` and the flattening are the guide's; a definite path to nothing finds nothing."""
    assert read_path(path).of(GUIDE) == found


def test_a_reference_path_names_one_node() -> None:
    assert read_path("$.a.b[0]['c']").keys == ("a", "b", 0, "c")
    for text in ("$..a", "$.a[*]", "$.a[0:1]", "$.a[?(@.b)]", "$.a['b','c']", "$.a.length()"):
        assert read_path(text).keys is None
    assert read_path("$$.Execution.Id").root == "$$"
    assert read_path("$variable.x").root == "variable"


@pytest.mark.parametrize(
    "text",
    ["", "a", ".guid", "..guid", "()", "$...", "$.", "$..", "$.a.", "$.a[", "$.a['b", "$.a[x]", "$.a b.c",
     "$.a[?(@.b ==)]", "$.a[?(@.b == c)]", "$.a[?@.b]", "$.a.nope()", "$.a.length().b", "$1x"],
)  # fmt: skip
def test_what_is_no_path(text: str) -> None:
    with pytest.raises(BadPath):
        read_path(text)


@pytest.mark.parametrize(
    ("document", "path", "value", "made"),
    [
        ({"a": 1}, "$.b", 2, {"a": 1, "b": 2}),
        ({"a": 1}, "$.b.c", 2, {"a": 1, "b": {"c": 2}}),
        ({"a": {"x": 1}}, "$.a.y", 2, {"a": {"x": 1, "y": 2}}),
        ({"a": [1, 2]}, "$.a[1]", 9, {"a": [1, 9]}),
        ({"a": 1}, "$", 2, 2),
    ],
)
def test_a_value_is_put_without_changing_the_document(
    document: Any, path: str, value: Any, made: Any
) -> None:
    before = repr(document)
    assert read_path(path).put(document, value) == made
    assert repr(document) == before


@pytest.mark.parametrize("path", ["$.a.b", "$.a[0]", "$.l[5]"])
def test_a_value_cannot_be_put_into_a_scalar(path: str) -> None:
    with pytest.raises(LookupError):
        read_path(path).put({"a": 1, "l": []}, 2)
