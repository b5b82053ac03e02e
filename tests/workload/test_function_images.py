"""What functions of images are started with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sagebrush.compute.containers.images import Image
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
