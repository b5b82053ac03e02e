"""The quickstart's texts: what becomes a sentence, which services, a split that shares nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sagebrush.quickstart import texts
from sagebrush.quickstart.texts import BadData, Example, Split


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return texts.aws_documentation()


@pytest.fixture(scope="module")
def split(examples: list[Example]) -> Split:
    return texts.split(examples)


def test_sentences_lose_their_html_and_short_ones_go() -> None:
    found = texts.sentences(
        "<p>Creates a bucket &amp; returns it. See also.</p><note>Names are <b>globally</b>"
        " unique!</note> <ul><li>No dots here</li></ul>"
    )
    assert found == ["Creates a bucket & returns it.", "Names are globally unique!"]


def test_tokens_stand_apart_in_lower_case() -> None:
    assert texts.tokens("Don't use S3's multi-part API!") == "don't use s3's multi-part api !"
    assert texts.tokens("Größe: 5 €") == "größe : 5 €"


def test_no_token_of_a_text_is_a_label() -> None:
    assert texts.tokens("mark: __label__x __LABEL__y") == "mark : label x label y"


@pytest.mark.costs("a large file")
def test_a_large_file_is_split_in_good_time() -> None:
    many = [Example("ab"[n % 2], f"text {n}", f"text {n}") for n in range(30_000)]
    found = texts.split(many)
    assert [len(part) for part in (found.test, found.validation)] == [6_000, 1_500]


@pytest.mark.costs("reads all of the AWS documentation")
def test_twenty_services_without_twins(examples: list[Example]) -> None:
    services = {example.label for example in examples}
    assert len(services) == texts.SERVICES
    assert {"ec2", "s3", "kms", "iam"} <= services
    assert not services & texts.NEAR_TWINS


def test_a_twin_of_a_larger_service_is_left_out() -> None:
    said = [f"sentence number {n} of it" for n in range(100)]
    found = {
        "big": {"A": said},
        "twin": {"A": said[:6] + [f"words of twin number {n}" for n in range(94)]},
        "other": {"A": said[:5] + [f"words of other number {n}" for n in range(95)]},
    }
    words = {"big": 500, "twin": 450, "other": 400}
    assert texts.largest(found, words) == ["big", "other"]


def test_no_operation_and_no_text_is_on_two_sides(split: Split) -> None:
    parts = (split.train, split.validation, split.test)
    for what in (lambda e: e.group, lambda e: texts.tokens(e.text)):
        sides = [{what(example) for example in part} for part in parts]
        assert not sides[0] & sides[1]
        assert not sides[0] & sides[2]
        assert not sides[1] & sides[2]


def test_no_text_stands_twice(split: Split) -> None:
    counted = Counter(
        texts.tokens(e.text) for p in (split.train, split.validation, split.test) for e in p
    )
    assert max(counted.values()) == 1


@pytest.mark.costs("splits all texts again")
def test_the_split_is_the_same_every_time(examples: list[Example], split: Split) -> None:
    assert texts.split(examples) == split
    assert texts.split(examples, seed=1) != split


def test_every_label_is_in_every_part(split: Split) -> None:
    for part in (split.train, split.validation, split.test):
        assert {e.label for e in part} == set(split.labels)


def write(folder: Path, content: str | bytes) -> Path:
    file = folder / "own.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def rows(count: int, *labels: str) -> str:
    return "".join(f'"text number {n}, really",{labels[n % len(labels)]}\n' for n in range(count))


OTHER = "".join(f"other text {n},{'de'[n % 2]}\n" for n in range(40))


def test_own_rows_are_read(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "\ufeffLabel,Text\n" + "".join(f"good news,it is {n}\nbad,no {n}\n" for n in range(12)),
    )
    found = texts.from_csv(file)
    assert len(found) == 24
    assert found[0].label == "good_news"
    assert found[0].text == "it is 0"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("text,kind\na,b\n", "no column 'label'"),
        ("a,b\n1,2\n", "no column 'text' and no column 'label'"),
        ("", "no header line"),
        ("text,label\n" + rows(40, "one"), "every row has the label 'one'"),
        ("text,label\n" + rows(8, "a", "b"), "8 different texts"),
        ("text,label\n" + rows(40, "a", "b") + "c one,c\n", "label c (1)"),
        ("text,label\n" + rows(40, "a") + rows(40, "b"), "0 different texts"),
        ("text,label\n" + rows(9, "a") + rows(9, "b") + "c one,c\n" + OTHER, "a (0), b (0), c (1)"),
        (b"text,label\n\xff\xfe,a\n", "not UTF-8"),
    ],
)
def test_unusable_files_say_why(tmp_path: Path, content: str | bytes, words: str) -> None:
    with pytest.raises(BadData) as caught:
        texts.from_csv(write(tmp_path, content))
    assert words in str(caught.value)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="No such file"):
        texts.from_csv(tmp_path / "none.csv")


def test_rows_with_missing_fields_are_left_out(tmp_path: Path) -> None:
    content = "text,label\n" + rows(40, "a", "b") + "only text\n,a\n...,\n"
    assert len(texts.from_csv(write(tmp_path, content))) == 40


def test_a_text_with_two_labels_is_left_out() -> None:
    found = [Example("ab"[n % 2], f"number {n}", str(n)) for n in range(40)]
    found += [Example("a", "both of them", "x"), Example("b", "Both of them", "y")]
    parts = texts.split(found)
    assert sum(map(len, (parts.train, parts.validation, parts.test))) == 40
