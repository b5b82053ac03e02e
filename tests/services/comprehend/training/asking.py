"""Requests about custom models by boto3, for tests of what is answered."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.store.rows import Row
from tests.conftest import Server
from tests.services.comprehend.training.training_world import classifier

MAIN, OTHER = "123456789012", "210987654321"
ARN = f"arn:aws:comprehend:us-east-1:{MAIN}:"
KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"


def refused(call: Any, **request: Any) -> tuple[str, str]:
    """Code and message."""
    with pytest.raises(ClientError) as error:
        call(**request)
    found: Any = error.value.response
    return found["Error"]["Code"], found["Error"]["Message"]


def told(comprehend: Any, arn: str) -> dict[str, Any]:
    """The model's description."""
    if "entity-recognizer" in arn:
        found = comprehend.describe_entity_recognizer(EntityRecognizerArn=arn)
        return found["EntityRecognizerProperties"]
    found = comprehend.describe_document_classifier(DocumentClassifierArn=arn)
    return found["DocumentClassifierProperties"]


def created(comprehend: Any, name: str = "films", **changes: Any) -> str:
    """The ARN of a classifier that was created now."""
    answer = comprehend.create_document_classifier(**classifier(name, **changes))
    return answer["DocumentClassifierArn"]


def become(server: Server, arn: str, status: str, hour: int | None = None) -> Row:
    """The model has that status, and was submitted in that hour of 2026-01-01."""
    kind, _, name = arn.split(":")[5].partition("/")
    row = server.world.rows.get(MAIN, arn.split(":")[3], kind, name)
    assert row is not None

    def change(found: Row) -> Row:
        times = {} if hour is None else {"SubmitTime": dt.datetime(2026, 1, 1, hour, tzinfo=dt.UTC)}
        return replace(found, status=status, doc={**found.doc, **times})

    changed = server.world.rows.update(row.id, change)
    assert changed is not None
    return changed
