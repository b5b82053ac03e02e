"""What the toolkit's own GetObject tells of a refusal."""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import Any

import pytest

from sagebrush.toolkit.job import ClientError
from sagebrush.toolkit.packages import s3


def test_the_words_of_an_error_are_as_they_were_before_xml() -> None:
    body = "<Error><Code>AccessDenied</Code><Message>on &quot;a&amp;b&quot;</Message></Error>"
    assert s3._code(body) == 'AccessDenied: on "a&b"'
    assert s3._code("<html>") == "no cause given"


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (ConnectionRefusedError(111, "Connection refused"), s3.PATIENCE),
        (http.client.RemoteDisconnected("Remote end closed connection"), s3.PATIENCE),
        (s3._Fault("InternalError (500)"), s3.FAULTS),
        (OSError("no such name"), s3.FAULTS),
    ],
)
def test_a_server_that_is_away_is_waited_for_and_a_fault_for_a_while(
    error: Exception, seconds: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    now, back = 1000.0, 1000.0 + seconds - s3.LONGEST_PAUSE - 1.0

    def sleep(pause: float) -> None:
        nonlocal now
        now += pause

    def get(*_: Any) -> None:
        if now < back:
            raise error

    monkeypatch.setattr(s3.time, "monotonic", lambda: now)
    monkeypatch.setattr(s3.time, "sleep", sleep)
    monkeypatch.setattr(s3, "_get", get)
    s3.download("s3://b/k", tmp_path / "k")
    assert now >= back
    now, back = 1000.0, float("inf")
    with pytest.raises(ClientError, match="s3://b/k cannot be read"):
        s3.download("s3://b/k", tmp_path / "k")
    assert now <= 1000.0 + seconds
