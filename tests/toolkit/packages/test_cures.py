"""What is said of a failed installation tells no password of an index or of a proxy."""

from __future__ import annotations

import pytest

from sagebrush.toolkit.packages.cures import masked


@pytest.mark.parametrize(
    ("address", "said", "told"),
    [
        ("http://joe:secret@host/simple", "secret", "****"),
        ("http://joe:s3cr%2Fet@host/simple", "s3cr%2Fet or s3cr/et", "**** or ****"),
        ("http://joe:pass@word@host/simple", "pass@word", "****"),
        ("https://a-token@host/simple", "a-token", "****"),
        ("https://host/simple", "host", "host"),
    ],
)
def test_passwords_are_not_told(address: str, said: str, told: str) -> None:
    text = f"cannot fetch {address}/pkg/: {said}"
    bare = "https" if address.startswith("https") else "http"
    shown = f"{bare}://****@host/simple" if "@" in address else address
    assert masked(text, {"PIP_INDEX_URL": address}) == f"cannot fetch {shown}/pkg/: {told}"


def test_addresses_of_no_variable_are_masked_too() -> None:
    text = "see git+https://user:p@ss@git.example/x.git@v1, https://pypi.org/a@b"
    expected = "see git+https://****@git.example/x.git@v1, https://pypi.org/a@b"
    assert masked(text, {}) == expected


def test_named_passwords_are_not_told() -> None:
    environ = {"UV_INDEX_OWN_PASSWORD": "sesame", "UV_INDEX_OWN_USERNAME": "joe"}
    assert masked("joe, sesame", environ) == "joe, ****"
