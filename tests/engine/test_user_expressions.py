"""Regular expressions of users: what is refused before it can take the server's memory."""

from __future__ import annotations

import pytest

from sagebrush.workload import expressions


@pytest.mark.parametrize(
    "text",
    [
        "(((a{1000}){1000}){1000}){1000}",
        "((ab){1000,}){1000,}",
        "a{1000000}",
        "a{99999999999}",
        "(?x)((a{1 0 0 0}){1#\n000}){1000}",
        "(" * 400 + "a" + ")" * 400,
        "(?R)",
        "(a(?1)b)",
        "(?P<n>a(?&n)b)",
        "(",
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        expressions.compiled(text)


@pytest.mark.parametrize(
    ("text", "line", "value"),
    [
        (r"loss: ([0-9.]+)", "loss: 0.5", "0.5"),
        (r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}.*acc=(\S+)", "2026-01-02 03:04:05 acc=1", "1"),
        (r"\(?R=([0-9]+)\)?", "(R=7)", "7"),
        (r"[(]x{1,3}[)] (\d+)", "(xx) 8", "8"),
    ],
)
def test_what_users_write_works(text: str, line: str, value: str) -> None:
    found = expressions.search(expressions.compiled(text), line)
    assert found is not None
    assert found.group(1) == value


def test_a_search_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "SEARCH", 0.01)
    monkeypatch.setattr(expressions, "PATIENT", 0.02)
    with pytest.raises(TimeoutError):
        expressions.search(expressions.compiled("(a+)+$"), "a" * 4000 + "!")
