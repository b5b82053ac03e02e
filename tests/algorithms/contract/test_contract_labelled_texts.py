"""data.csv of both text classifiers: what is read, what is refused and in which words, how it is split."""

from __future__ import annotations

from pathlib import Path

import pytest
from contract import labelled_texts
from contract.channels import Channel
from contract.errors import ClientError
from contract.labelled_texts import Samples


def channel(folder: Path, content: bytes | None, name: str = "data.csv") -> Channel:
    """The channel `training` with one file, or none."""
    if content is not None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return Channel("training", "", folder)


def test_labels_and_texts_are_read_as_csv_has_them(tmp_path: Path) -> None:
    content = '\ufeff3,plain text\r\n0,"a, ""quoted"" text\nof two lines"\r\n\r\n3, Größe\r\n'
    found = labelled_texts.read(channel(tmp_path, content.encode()), int)
    assert found.texts == ("plain text", 'a, "quoted" text\nof two lines', " Größe")
    assert found.labels == (3, 0, 3)
    assert labelled_texts.classes(found) == (0, 3)


def test_the_file_lies_at_any_depth(tmp_path: Path) -> None:
    assert len(labelled_texts.read(channel(tmp_path, b"0,a\n", "below/data.csv"), str)) == 1
    with pytest.raises(ClientError, match=r"has 2 files data\.csv: data\.csv, below/data\.csv"):
        labelled_texts.read(channel(tmp_path, b"0,a\n"), str)


def test_a_text_may_be_long(tmp_path: Path) -> None:
    found = labelled_texts.read(channel(tmp_path, b"0," + b"a" * 200_000), str)
    assert len(found.texts[0]) == 200_000


def test_further_columns_of_a_table_are_left_out_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = labelled_texts.read(channel(tmp_path, b"0,a,x\n1,b,y\n"), str)
    assert found.texts == ("a", "b")
    assert "has 3 columns: the first two count" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "the channel has no file data.csv: it holds no file"),
        (b"", "data.csv holds no row"),
        (b"\n\n", "data.csv holds no row"),
        (b"label,text\n0,a\n", "line 1: the file must not have a header line: leave out ['label'"),
        (b"0,a\nx,b\n", "line 2: invalid literal for int() with base 10: 'x'"),
        (b"x,a\n", "'x' (the file must not have a header line)"),
        (b"0,a\njust text\n", "line 2: expected a label and a text, separated by a comma"),
        (b"0,a\n1,b, and c\n", "line 2: expected 2 columns, saw 3: a text with a comma must be in"),
        (b"0,a, b\n1,c\n", "line 2: expected 3 columns, saw 2: a text with a comma must be in"),
        (b"0,a\n1, \n", "line 2: the text is empty"),
        (b"0,a\n1,\xff\n", "data.csv is not UTF-8"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    with pytest.raises(ClientError) as refused:
        labelled_texts.read(channel(tmp_path, content), int)
    assert "Unable to read data channel 'training'" in str(refused.value)
    assert why in str(refused.value)


def test_another_name_is_told_with_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"no file data\.csv: it holds train\.csv"):
        labelled_texts.read(channel(tmp_path, b"0,a\n", "train.csv"), str)


def test_one_class_and_unknown_classes_are_refused() -> None:
    with pytest.raises(ClientError, match="one class only, 4"):
        labelled_texts.classes(Samples((4, 4), ("a", "b")))
    labelled_texts.known(Samples((1,), ("a",)), (0, 1), "validation", "the training data")
    with pytest.raises(ClientError, match=r"'validation' has labels that .* does not have: 2, 3"):
        labelled_texts.known(Samples((3, 2), ("a", "b")), (0, 1), "validation", "the model")


def test_a_part_is_held_back_the_same_in_every_job() -> None:
    every = Samples(tuple("0101010101"), tuple("abcdefghij"))
    first, second = labelled_texts.split(every, 3, 7)
    assert (len(first), len(second)) == (7, 3)
    assert sorted(zip(first.texts + second.texts, first.labels + second.labels, strict=True)) == (
        sorted(zip(every.texts, every.labels, strict=True))
    )
    assert labelled_texts.split(every, 3, 7) == (first, second)
    assert labelled_texts.split(every, 0, 7) == (every, Samples((), ()))
