"""JumpStart's public hub: the models that are here, and none else."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

HUB = "SageMakerPublicHub"
BERT = "huggingface-tc-bert-base-cased"


@pytest.fixture
def sm(client: Callable[..., Any]) -> Any:
    return client("sagemaker")


def described(sm: Any, name: str = BERT, hub: str = HUB, **more: str) -> Any:
    return sm.describe_hub_content(HubName=hub, HubContentType="Model", HubContentName=name, **more)


def test_a_model_is_described(sm: Any) -> None:
    found = described(sm)
    assert found["HubContentArn"].endswith(f":aws:hub-content/{HUB}/Model/{BERT}/3.0.6")
    document = json.loads(found["HubContentDocument"])
    assert document["TrainingSupported"]
    assert document["TrainingArtifactUri"].startswith("s3://jumpstart-cache-prod-us-east-1/")
    assert {each["Name"] for each in document["TrainingMetrics"]} >= {"val_accuracy"}
    older = described(sm, HubContentVersion="1.0.2")
    assert older["HubContentVersion"] == "1.0.2"
    arn = f"arn:aws:sagemaker:us-east-1:aws:hub/{HUB}"
    assert described(sm, hub=arn)["HubArn"] == arn


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"name": "huggingface-llm-none"}, "does not exist in SageMakerPublicHub"),
        ({"HubContentVersion": "9.9.9"}, "has no version 9.9.9; here are 1.0.2, 3.0.6"),
        ({"hub": "a-private-hub"}, "Hub a-private-hub does not exist"),
    ],
)
def test_what_is_not_here_is_told(sm: Any, asked: dict[str, str], said: str) -> None:
    with pytest.raises(ClientError, match=said) as caught:
        described(sm, **asked)
    assert caught.value.response["Error"]["Code"] == "ResourceNotFound"


def test_models_are_listed_by_pages(sm: Any) -> None:
    asked: dict[str, Any] = {"HubName": HUB, "HubContentType": "Model", "NameContains": "bert-base"}
    found, token = [], {}
    while True:
        page = sm.list_hub_contents(**asked, **token, MaxResults=2)
        found += [each["HubContentName"] for each in page["HubContentSummaries"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert BERT in found
    assert found == sorted(set(found))
    for wrong in ("x", "9" * 5000):
        with pytest.raises(ClientError, match="Invalid pagination token") as caught:
            sm.list_hub_contents(**asked, NextToken=wrong)
        assert caught.value.response["Error"]["Code"] == "ValidationException"
    for times, some in (
        (("After", 2000), True),
        (("After", 2030), False),
        (("Before", 2000), False),
    ):
        given = {f"CreationTime{times[0]}": dt.datetime(times[1], 1, 1, tzinfo=dt.UTC)}
        assert bool(sm.list_hub_contents(**asked, **given)["HubContentSummaries"]) is some
    notebooks = sm.list_hub_contents(HubName=HUB, HubContentType="Notebook")
    assert notebooks["HubContentSummaries"] == []
