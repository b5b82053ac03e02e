"""`text`: a file through Comprehend's API, marked, or as JSON."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from pathlib import Path

import pytest
from rich.console import Console

from sagebrush.__main__ import main
from sagebrush.commands import running
from sagebrush.commands.analysis import answers, shown
from sagebrush.commands.analysis.answers import Answers, Found
from tests.conftest import Server
from tests.services.comprehend.conftest import reader  # noqa: F401

TEXT = "Maria moved to Seattle. 👩‍👩‍👧 She loves it! Write to maria@example.com\n"


@pytest.fixture
def here(reader: Server, monkeypatch: pytest.MonkeyPatch) -> Server:  # noqa: F811
    """The server that commands find."""
    app = reader.app
    found = running.Server(os.getpid(), "127.0.0.1", app.port, app.port)
    monkeypatch.setenv("SAGEBRUSH_HOME", str(app.settings.home))
    monkeypatch.setattr(running, "require", lambda chosen: found)  # it has no process of its own
    return reader


def test_places_are_those_of_the_text(
    here: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.txt"
    file.write_text(TEXT * 3, encoding="utf-8")
    assert main(["text", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["languages"][0]["LanguageCode"] == "en"
    assert told["sentiment"]["Sentiment"] == "POSITIVE"
    found = [(each["Type"], each["Text"]) for each in told["entities"]]
    assert found.count(("LOCATION", "Seattle")) == 3
    assert [each["Text"] for each in told["pii"]].count("maria@example.com") == 3
    for each in told["entities"] + told["pii"]:
        assert (TEXT * 3)[each["BeginOffset"] : each["EndOffset"]] == each["Text"]


def test_standard_input_and_a_language_that_is_not_read(
    here: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    german = "Das ist ein sehr schöner Tag, sagte der alte Mann.\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(german.encode())))
    assert main(["text", "-"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(german)
    assert "entities   not read in de" in printed


@pytest.mark.parametrize(
    ("body", "words", "said"),
    [
        (b"", (), "no text"),
        (b" \n ", (), "no text"),
        (b"caf\xe9", (), "not in UTF-8, from byte 3"),
        ("é".encode() * ((5 << 20) + 1), (), "more than 10485760 bytes"),
        (b"a", ("--parts", "poetry"), "no part poetry"),
        (None, (), "cannot be read"),
    ],
)
def test_refusals(
    body: bytes | None,
    words: tuple[str, ...],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "a.txt"
    if body is not None:
        file.write_bytes(body)
    assert main(["text", str(file), *words]) == 1
    assert said in capsys.readouterr().err


def _told() -> Answers:
    told = Answers("Ada Lovelace\nlived [in] London", [("en", 0.98)], {"Positive": 1.0}, 1)
    told.places = {
        "entities": [Found(0, 12, "PERSON", 0.9), Found(24, 30, "LOCATION", 0.9)],
        "pii": [Found(0, 12, "NAME", 0.9)],
    }
    return told


def test_marks_in_a_file_are_brackets() -> None:
    out = io.StringIO()
    shown.show(Console(file=out, highlight=False, soft_wrap=True), _told())
    assert out.getvalue().splitlines()[:2] == [
        "[Ada Lovelace PERSON/NAME]",
        "lived [in] [London LOCATION]",
    ]
    assert "entities    PERSON  1   LOCATION  1" in out.getvalue()


def test_marks_on_a_terminal_are_colours() -> None:
    out = io.StringIO()
    made = Console(
        file=out, highlight=False, force_terminal=True, color_system="truecolor", width=80
    )
    shown.show(made, _told())
    first = out.getvalue().splitlines()[0]
    assert "Ada Lovelace" in first
    assert "\x1b[" in first
    assert "PERSON" not in first


def _drawn(told: Answers) -> str:
    out = io.StringIO()
    made = Console(
        file=out, highlight=False, force_terminal=True, color_system="truecolor", width=80
    )
    shown.show(made, told)
    return out.getvalue()


def test_colours_are_at_their_places_whatever_ends_lines() -> None:
    told = Answers("one\r\ntwo\r\nAda\rBob\x0c Eve\n", [("en", 0.98)])
    told.places = {"entities": [Found(10, 13, "PERSON", 0.9), Found(19, 22, "PERSON", 0.9)]}
    printed = re.sub(r"\x1b\[[\d;]+m(.+?)\x1b\[0m", r"<\1>", _drawn(told))
    assert printed.splitlines()[:4] == ["one", "two", "<Ada>", "Bob\ufffd <Eve>"]


def test_a_text_does_not_steer_the_terminal() -> None:
    printed = _drawn(Answers("red \x1b[31m and \x9b2J, a title \x1b]0;x\x07\n", [("en", 0.98)]))
    assert printed.splitlines()[0] == "red \ufffd[31m and \ufffd2J, a title \ufffd]0;x\ufffd"


class _Wordless:
    """A client whose server finds no language, as of digits."""

    def detect_dominant_language(self, Text: str) -> dict[str, object]:
        return {"Languages": []}

    def detect_entities(self, Text: str, LanguageCode: str) -> dict[str, object]:
        found = {"BeginOffset": 0, "EndOffset": 4, "Type": LanguageCode, "Score": 0.9}
        return {"Entities": [found]}


def test_a_text_without_a_language_is_read_as_english() -> None:
    told = answers.ask(_Wordless(), "2026", "", ["entities"])
    assert told.places["entities"] == [Found(0, 4, "en", 0.9)]
    assert "language   none" in re.sub(r"\x1b\[[\d;]+m", "", _drawn(told))


def test_a_language_that_is_not_sure_is_told(
    here: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.txt"
    file.write_text("12345", encoding="utf-8")
    assert main(["text", str(file)]) == 0
    assert "(read as en)" in capsys.readouterr().out
    assert main(["text", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["read_as"] == "en"


def test_phrases_are_listed() -> None:
    told = Answers("the old man\nand the old\tman", [("en", 0.9)], read_as="en")
    told.places = {"phrases": [Found(0, 11, "PHRASE", 0.9), Found(16, 27, "PHRASE", 0.9)]}
    out = io.StringIO()
    shown.show(Console(file=out, highlight=False, soft_wrap=True), told)
    assert out.getvalue().splitlines()[-1].split() == ["phrases", "the", "old", "man"]
