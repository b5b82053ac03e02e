"""What the toolkit's own GetObject tells of a refusal."""

from __future__ import annotations

from sagebrush.toolkit.packages import s3


def test_the_words_of_an_error_are_as_they_were_before_xml() -> None:
    body = "<Error><Code>AccessDenied</Code><Message>on &quot;a&amp;b&quot;</Message></Error>"
    assert s3._code(body) == 'AccessDenied: on "a&b"'
    assert s3._code("<html>") == "no cause given"
