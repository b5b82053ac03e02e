"""What functions of images are started with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sagebrush.compute import record
from sagebrush.compute.containers.images import Image
from sagebrush.compute.local.watcher import lost
from sagebrush.routing.functions.values import FunctionVersion
from sagebrush.workload import function_images

IMAGE = Image(
    "sha256:1", "x@sha256:1", ("/entry",), ("app.handler", "x"), frozenset({"TZ", "PATH"})
)
KEYS = {"AccessKeyId": "id", "SecretAccessKey": "secret", "Token": "token"}


def version(**config: Any) -> FunctionVersion:
    """A version of an image."""
    return FunctionVersion(
        arn="a", account="1", region="eu-west-1", name="f", version="3", runtime="", handler="",
        role="r", memory=256, timeout=3, storage=512, variables={"MINE": "1"}, code=Path(),
        log_group="/aws/lambda/f", image=IMAGE.id, image_config=config,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("config", "entrypoint", "command"),
    [
        ({}, ("/entry",), ("app.handler", "x")),
        ({"EntryPoint": ["/other"]}, ("/other",), ("app.handler", "x")),
        ({"Command": ["b.c"], "EntryPoint": []}, ("/entry",), ("b.c",)),
    ],
)
def test_each_part_overrides_the_images_own(config: Any, entrypoint: Any, command: Any) -> None:
    assert function_images.program(version(**config), IMAGE) == (entrypoint, command)


def test_variables_are_awss_and_leave_the_images_own() -> None:
    found = function_images.variables(version(Command=["b.c"]), IMAGE, "stream", KEYS)
    assert found["_HANDLER"] == "b.c"
    assert found["AWS_LAMBDA_RUNTIME_API"] == "127.0.0.1:9001"
    assert found["LAMBDA_TASK_ROOT"] == "/var/task"
    assert found["AWS_LAMBDA_LOG_STREAM_NAME"] == "stream"
    assert (found["AWS_SESSION_TOKEN"], found["MINE"]) == ("token", "1")
    assert not {"TZ", "PATH", "LANG", "AWS_EXECUTION_ENV", "LD_LIBRARY_PATH"} & found.keys()


def test_what_is_laid_is_of_no_image_and_its_end_can_be_unknown(tmp_path: Path) -> None:
    keys = {**KEYS, "Expiration": "2026-01-02T03:04:05Z"}
    places = function_images.ImagePlaces(tmp_path, lambda role, name: keys)
    spec, prepared = places.laid(version(), IMAGE, "function-1", "stream")
    assert (spec.image, spec.storage, prepared.expires) == (IMAGE.id, 512 << 20, 1767323045.0)
    assert spec.binds[0].target == "/tmp"
    assert oct((spec.root / "tmp").stat().st_mode)[-4:] == "1777"
    found = record.read(spec.root, "spec.json")
    assert found is not None
    kept = record.from_json(found["spec"])
    assert (kept.image, kept.tied, kept.env) == ("", True, {})
    assert "secret" not in (spec.root / "spec.json").read_text()
    # as the next server does, of one that was killed
    assert lost(spec.root).reason == "lost"
