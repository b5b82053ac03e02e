"""Outlines of botocore's models, and what is read of a JSON object."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagebrush.aws import models


@pytest.mark.parametrize("service", models.SERVICES)
def test_outlines_say_what_models_say(service: str) -> None:
    short: Any = models.outline(service)
    whole: Any = models.model(service)
    assert short.metadata == whole.metadata
    assert short.operation_names == whole.operation_names
    assert short.signing_name == whole.signing_name
    assert short.resolved_protocol == whole.resolved_protocol
    assert models.names(service) == tuple(whole.operation_names)


def test_a_service_that_is_not_spoken() -> None:
    with pytest.raises(KeyError):
        models.outline("ec2")


@pytest.mark.parametrize("indent", [None, 2])
def test_what_follows_the_members_is_not_parsed(indent: int | None) -> None:
    text = json.dumps({"a": {"b": [1, "}"]}, "c": "d", "e": 1}, indent=indent)
    broken = text.partition('"e"')[0] + '"e": nonsense'
    assert models.members(broken, ("c", "a")) == {"a": {"b": [1, "}"]}, "c": "d"}
    with pytest.raises(ValueError, match="Expecting"):
        models.members(broken, ("e",))
    with pytest.raises(ValueError, match="missing"):
        models.members(text, ("f",))


def test_no_object() -> None:
    with pytest.raises(ValueError, match="missing"):
        models.members("[1]", ("a",))
