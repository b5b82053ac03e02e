"""ExitMessage of a processing job: what its instances wrote, at most 1 KB of whole characters."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from sagebrush.services.sagemaker.processing import stage as processing_stage
from sagebrush.store.rows import Row
from sagebrush.world import World


def message(home: Path, *texts: bytes) -> str:
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": len(texts), "VolumeSizeInGB": 1}
    doc = {"ProcessingResources": {"ClusterConfig": cluster}}
    row = Row("1", "r", "processing-job", "n", "InProgress", doc, {"key": "p-1"})
    world = cast(World, SimpleNamespace(settings=SimpleNamespace(home=home)))
    for root, text in zip(processing_stage.roots(world, row), texts, strict=True):
        (root / "ml" / "output").mkdir(parents=True)
        (root / "ml" / "output" / "message").write_bytes(text)
    return processing_stage.message(world, row)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([b" bye\n"], "bye"),
        ([b"one\n\n", b"two"], "one\ntwo"),
        ([b"x" * 3000], "x" * 1024),
        (["é€😀".encode() * 500], "é€😀" * 113 + "é€"),  # the limit cuts a character, not the job
        ([("x" + "€" * 1000).encode(), b"more"], "x" + "€" * 341),
        ([b"a\0b"], "ab"),
        ([b""], ""),
    ],
)
def test_it_keeps_its_beginning(tmp_path: Path, texts: list[bytes], said: str) -> None:
    assert message(tmp_path, *texts) == said
    assert len(said.encode()) <= 1024


@pytest.mark.parametrize("text", [b"\xff", b"cut \xe2\x82", b"x" * 1000 + b"\xff" + b"x" * 1000])
def test_what_is_no_utf8_is_refused(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        message(tmp_path, text)
