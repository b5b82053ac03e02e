"""`models train` refuses what it cannot do, before it builds anything."""

from __future__ import annotations

import pytest

from sagebrush.__main__ import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "what of the models?"),
        (("train", "weather"), "no model weather"),
        (("train", "encoder"), "SAGEBRUSH_EVAL_DATA"),
    ],
)
def test_refusals(
    words: tuple[str, ...],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("SAGEBRUSH_EVAL_DATA", raising=False)
    assert main(["models", *words]) == 1
    assert said in capsys.readouterr().err
