"""Patterns: which events they match, and what AWS says of those that are none.

Messages are AWS's own, as recorded by localstack's tests against AWS (`test_events_patterns`, 2024).
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagebrush.patterns.matching import Index, leaves, matches
from sagebrush.patterns.reading import read
from sagebrush.patterns.tokens import PatternError


def holds(pattern: Any, event: Any) -> bool:
    text = pattern if isinstance(pattern, str) else json.dumps(pattern)
    branches, found = read(text), leaves(event)
    assert (Index.of({"p": branches}).matching(found) == {"p"}) == matches(branches, found)
    return matches(branches, found)


def detail(*conditions: Any) -> dict[str, Any]:
    return {"detail": {"x": list(conditions)}}


def value(of: Any) -> dict[str, Any]:
    return {"detail": {"x": of}}


@pytest.mark.parametrize(
    ("condition", "yes", "no"),
    [
        ("running", ["running", ["a", "running"]], ["Running", "run", 1, None, [], {}]),
        (5, [5, 5.0], ["5", 6, True]),
        (1, [1], [True]),
        (3.018e2, [301.8], [301.81]),
        (123456789012, [123456789012], [123456789013]),
        (True, [True], ["true", 1, False]),
        (None, [None, [None]], ["null", 0, [], {}]),
        ("", [""], [None, " "]),
        ({"exactly": "10.0.0.1"}, ["10.0.0.1"], ["10.0.0.01"]),
        ({"prefix": "ab"}, ["abc", "ab"], ["Abc", 1, None]),
        ({"prefix": ""}, ["", "a"], [1]),
        ({"suffix": "bc"}, ["abc"], ["abcd", "BC"]),
        ({"prefix": {"equals-ignore-case": "AbÉ"}}, ["aBéX"], ["xab"]),
        ({"suffix": {"equals-ignore-case": ".PNG"}}, ["a.png", "b.PnG"], ["a.pngx"]),
        ({"equals-ignore-case": "ALICE"}, ["alice", "Alice"], ["alic", 3]),
        ({"anything-but": "a"}, ["b", 1, None, True, ["a", "b"]], ["a", ["a"], []]),
        ({"anything-but": ["a", "b"]}, ["c", None], ["a", "b"]),
        ({"anything-but": 0}, [1, "0", False], [0, 0.0]),
        ({"anything-but": [100, 200]}, [300], [100, 200.0]),
        ({"anything-but": {"prefix": "in"}}, ["out", 3, None], ["init"]),
        ({"anything-but": {"prefix": ["in", "ou"]}}, ["x"], ["init", "out"]),
        ({"anything-but": {"suffix": [".txt", ".rtf"]}}, ["a.md"], ["a.txt", "b.rtf"]),
        ({"anything-but": {"equals-ignore-case": ["Init"]}}, ["x"], ["INIT"]),
        ({"anything-but": {"wildcard": "*/bin/*.jar"}}, ["lib/x.jar", 3], ["/bin/a.jar"]),
        ({"anything-but": {"wildcard": ["*/a/*", "b*"]}}, ["cc"], ["x/a/y", "bb"]),
        ({"numeric": ["=", 5]}, [5, 5.0], ["5", 5.000001, True]),
        ({"numeric": [">", 0, "<=", 5]}, [5, 0.000001], [0, 5.000001, -1]),
        ({"numeric": ["<", 10]}, [9.999999, -5e9], [10, None, -6e9]),
        ({"numeric": [">=", 10]}, [10, 5e9], [9, 6e9]),
        ({"numeric": ["<=", 0.1]}, [0.1], [0.100001, 0.05000000001]),
        ({"exists": True}, ["", 0, None, False, [1]], [[], {}, {"y": 1}]),
        ({"exists": False}, [[], {}, {"y": 1}], ["", None, [1]]),
        ({"cidr": "10.0.0.0/24"}, ["10.0.0.255", "10.0.0.0"], ["10.0.1.0", "x", 5, "::1"]),
        ({"cidr": "10.0.0.8/28"}, ["10.0.0.8", "10.0.0.15"], ["10.0.0.7"]),
        ({"cidr": "2001:db8::/32"}, ["2001:DB8::1"], ["2001:db9::1", "1.2.3.4"]),
        ("2001:db8::1", ["2001:0db8:0::1"], ["2001:db8::2"]),
        ("1.2.3.400", ["1.2.3.400"], ["1.2.3.40"]),
        ({"wildcard": "dir/*.png"}, ["dir/.png", "dir/a/b.png"], ["dir.png", "dir/a.PNG", 1]),
        ({"wildcard": "*a*b"}, ["ab", "xaxb", "abab"], ["ba", "axbx"]),
        ({"wildcard": "aa*aa"}, ["aaaa", "aaxaa"], ["aaa"]),
        ({"wildcard": r"a\*b\\c"}, [r"a*b\c"], ["axb", "aXb\\c"]),
        ({"wildcard": "*"}, ["", "x"], [None]),
    ],
)
def test_one_condition(condition: Any, yes: list[Any], no: list[Any]) -> None:
    pattern = detail(condition)
    assert [v for v in yes if not holds(pattern, value(v))] == []
    assert [v for v in no if holds(pattern, value(v))] == []


def test_conditions_of_one_field_are_alternatives_and_fields_are_not() -> None:
    either = detail("a", {"prefix": "b"}, {"exists": False})
    assert [holds(either, e) for e in (value("a"), value("bc"), {}, value("c"))] == [
        True, True, True, False,
    ]  # fmt: skip
    both = {"source": ["s"], "detail": {"x": ["a"]}}
    assert holds(both, {"source": "s", **value("a")})
    assert not holds(both, {"source": "t", **value("a")})
    assert not holds(both, {"source": "s"})
    assert holds({"detail.x": ["a"]}, value("a"))
    assert holds(detail("a"), {"detail.x": "a"})


def test_elements_of_an_array_answer_together() -> None:
    pattern = {"employees": {"firstName": ["Anna"], "lastName": ["Jones"]}}
    people = [
        {"firstName": "Anna", "lastName": "Smith"},
        {"firstName": "Peter", "lastName": "Jones"},
    ]
    assert not holds(pattern, {"employees": people})
    assert holds(pattern, {"employees": [*people, {"firstName": "Anna", "lastName": "Jones"}]})
    assert holds(pattern, {"employees": people[0] | {"lastName": ["Smith", "Jones"]}})
    nested = {"a": [{"b": [{"c": 1, "d": 1}, {"c": 2, "d": 2}]}, {"b": [{"c": 3, "d": 1}]}]}
    assert holds({"a": {"b": {"c": [2], "d": [2]}}}, nested)
    assert not holds({"a": {"b": {"c": [3], "d": [2]}}}, nested)
    many = {"a": [{"b": at, "c": -at} for at in range(2000)]}
    assert not holds({"a": {"b": [{"numeric": [">", 0]}], "c": [{"numeric": [">", 0]}]}}, many)
    assert holds({"a": {"b": [1999], "c": [{"numeric": ["<", -1998]}]}}, many)


def test_or() -> None:
    pattern = {
        "source": ["s"],
        "detail": {
            "$or": [
                {"c-count": [{"numeric": [">", 0, "<=", 5]}]},
                {"d-count": [{"numeric": ["<", 10]}], "$or": [{"e": [1]}, {"f": [1]}]},
                {"x-limit": [{"numeric": ["=", 3.018e2]}]},
            ]
        },
    }

    def event(**of: Any) -> bool:
        return holds(pattern, {"source": "s", "detail": of})

    assert event(**{"c-count": 5})
    assert event(**{"x-limit": 301.8})
    assert event(**{"d-count": 9, "f": 1})
    assert not event(**{"d-count": 9})
    assert not event(**{"c-count": 6})
    assert not event()
    assert not holds(pattern, {"source": "t", "detail": {"c-count": 5}})
    product = {f"f{n}": {"$or": [{c: [1]} for c in "abcdefgh"]} for n in range(4)}
    with pytest.raises(PatternError, match="1000"):
        read(json.dumps(product))


def placed(why: str, text: str, column: int, twice: bool = False) -> str:
    place = f'\n at [Source: (String)"{text}"; line: 1, column: {column}]'
    return why + place * (2 if twice else 1)


IGNORE = "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."
AFFIX = "prefix/suffix match pattern must be a string"
TOKEN = "was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"


@pytest.mark.parametrize(
    ("text", "why", "column"),
    [
        ('{"int": 42}', '"int" must be an object or an array', 11),
        ('{"string": "my-value"}', '"string" must be an object or an array', 13),
        ('{"detail": {"equal": [{"NUMERIC": ["=", 5]}]}}', "Unrecognized match type NUMERIC", 36),
        ('{"my_key": [{"EXISTS": true}]}', "Unrecognized match type EXISTS", 28),
        ('{"resources": []}', "Empty arrays are not allowed", 17),
        ('{"source": ["aws.health"], "detail": {}}', "Empty objects are not allowed", 40),
        ('{"detail": {"c-count": [{"numeric": [">", 0, ">", 0]}]}}', "Bad numeric range operator: >", 49),
        ('{"detail": {"c-count": [{"numeric": [">", 0, "<"]}]}}', "Value of < must be numeric", 50),
        ('{"detail-type": [{"equals-ignore-case": ["ec2 instance"]}]}', "equals-ignore-case match pattern must be a string", 42),
        ('{"detail-type": [{"equals-ignore-case": {"prefix": "ec2"}}]}', "equals-ignore-case match pattern must be a string", 42),
        ('{"detail": {"state": [{"anything-but": {"equals-ignore-case": 123}}]}}', IGNORE, 66),
        ('{"EventBusArn": [{"wildcard": 123}]}', "wildcard match pattern must be a string", 34),
        ('{"EventBusArn": [{"wildcard": ["arn:aws:*"]}]}', "wildcard match pattern must be a string", 32),
        ('{"EventBusArn": [{"wildcard": "arn:aws:events:us-east-1:**:event-bus/*"}]}', "Consecutive wildcard characters at pos 26", 72),
        ('{"detail": {"FilePath": [{"anything-but": {"wildcard": 123}}]}}', "wildcard match pattern must be a string", 59),
        ('{"detail": {"FileName": [{"anything-but": {"suffix": 123}}]}}', AFFIX, 57),
        ('{"time": [{"prefix": ["2022-07-13"]}]}', "prefix match pattern must be a string", 23),
        ('{"time": [{"prefix": 123}]}', "prefix match pattern must be a string", 25),
        ('{"FileName": [{"suffix": [".png"]}]}', "suffix match pattern must be a string", 27),
        ('{"detail": {"FileName": [{"anything-but": {"prefix": {"equals-ignore-case": "file"}}}]}}', "Value of anything-but must be an array or single string/number value.", 55),
        ("this is valid json but not a dict", f"Unrecognized token 'this': {TOKEN}", 5),
        ("{'bad': 'quotation'}", "Unexpected character (''' (code 39)): was expecting double-quote to start field name", 2),
        ('{"not": closed mark"', f"Unrecognized token 'closed': {TOKEN}", 15),
        ('["not", "a", "dict", "but valid json"]', "Filter is not an object", 2),
    ],
)  # fmt: skip
def test_messages_at_their_places(text: str, why: str, column: int) -> None:
    with pytest.raises(PatternError) as caught:
        read(text)
    assert str(caught.value) == placed(why, text, column)


@pytest.mark.parametrize(
    ("text", "why", "column"),
    [
        ('{"detail": {"state": [{"anything-but": {"equals-ignore-case": [123, 456]}}]}}', IGNORE, 67),
        ('{"detail": {"state": [{"anything-but": {"wildcard": [123, "*/dir/*"]}}]}}', "wildcard match pattern must be a string", 57),
        ('{"detail": {"FileName": [{"anything-but": {"suffix": [123, ".txt"]}}]}}', AFFIX, 58),
        ('{"detail": {"state": [{"anything-but": {"prefix": [123, "test"]}}]}}', AFFIX, 55),
    ],
)  # fmt: skip
def test_messages_that_have_their_place_twice(text: str, why: str, column: int) -> None:
    with pytest.raises(PatternError) as caught:
        read(text)
    assert str(caught.value) == placed(why, text, column, twice=True)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (detail({"cidr": "10.0.0.1"}), "Malformed CIDR, one '/' required"),
        (detail({"cidr": "10.0.0.1/x"}), "Malformed CIDR, mask bits must be an integer"),
        (detail({"cidr": "10.0.0.1/32"}), "IPv4 mask bits must be < 32"),
        (detail({"cidr": "::1/128"}), "IPv6 mask bits must be < 128"),
        (detail({"cidr": "host/8"}), "Nonstandard IP address: host"),
        (
            {"EventBusArn": [{"wildcard": "*:*:*:*:*:event-bus/*"}]},
            "Rule is too complex - try using fewer wildcard characters or fewer repeating character"
            " sequences after a wildcard character",
        ),
    ],
)
def test_messages_without_a_place(pattern: Any, why: str) -> None:
    with pytest.raises(PatternError) as caught:
        read(json.dumps(pattern))
    assert str(caught.value) == why


def test_what_aws_takes_is_taken() -> None:
    read('{"FileName": [{"wildcard": "/Users/*/dir/dir/dir/dir/dir/doc.txt"}]} and more')
    read('{"a": [1, "x", null, true, {"exists": false}], "b.c": [{"prefix": ""}]}')


@pytest.mark.parametrize(
    "text",
    [
        "", "{", '{"a"', '{"a":', '{"a": [', '{"a": ["x', '{"a": ["x"', '{"a": ["x"]', '{"a": ["\t"]}',
        '{"a": ["\\x"]}', '{"a": ["x" "y"]}', '{"a" ["x"]}', '{"a": [%]}', '{"a": [{}]}', "null",
        '{"a": [["x"]]}', '{"a": [{"anything-but": true}]}', '{"a": [{"anything-but": ["x", 1]}]}',
        '{"a": [{"anything-but": []}]}', '{"a": [{"numeric": []}]}', '{"a": [{"numeric": ["=", 6e9]}]}',
        '{"a": [{"numeric": [">", 3, "<", 3]}]}', '{"a": [{"exists": "yes"}]}', '{"$or": [{"a": [1]}]}',
        '{"$or": {"a": [1]}}', '{"$or": [{"prefix": ["a"]}, {"b": [1]}]}', '{"a": [{"prefix": "x", "y": 1}]}',
        '{"a":' * 300 + "[1]" + "}" * 300, '{"a": [{"anything-but": {"prefix": ""}}]}',
    ],
)  # fmt: skip
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(PatternError):
        read(text)


def test_an_index_finds_what_single_patterns_match() -> None:
    patterns = {
        f"rule-{n}": read(json.dumps({"source": [f"s{n % 7}"], "detail": {"n": [n]}}))
        for n in range(50)
    }
    patterns["all"] = read('{"source": [{"prefix": ""}]}')
    patterns["or"] = read('{"$or": [{"source": ["s1"]}, {"detail": {"n": [{"exists": true}]}}]}')
    index = Index.of(patterns)
    for n in range(50):
        event = leaves({"source": f"s{n % 7}", "detail": {"n": n}})
        assert index.matching(event) == {f"rule-{n}", "all", "or"}
    assert index.matching(leaves({"source": "s1"})) == {"all", "or"}
    assert index.matching(leaves({})) == set()
