"""A shadow test of a running server by boto3: copies arrive, and the shadow is promoted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sagebrush.commands import logs
from sagebrush.commands.running import CommandError
from sagebrush.services.sagemaker.inference_experiments.facts import INFERENCE_EXPERIMENT
from tests.conftest import Server
from tests.services.sagemaker.hosting.test_model import ROLE
from tests.services.sagemaker.inference_experiments.test_experiments import PROMOTE, mode, variant
from tests.services.sagemaker_runtime.test_invoke import Stand
from tests.waiting import until


@pytest.fixture(scope="module")
def stand(server: Server) -> Iterator[Stand]:
    made = Stand(server)
    made.model("old", data="old")
    made.model("new", data="new")
    assert made.endpoint("tested", "old")["EndpointStatus"] == "InService"
    yield made
    made.clear()


def test_copies_arrive_at_the_shadow_and_it_is_promoted(stand: Stand) -> None:
    sm, s3 = stand.sm, stand.server.client("s3")
    sm.create_inference_experiment(
        Name="better",
        Type="ShadowMode",
        EndpointName="tested",
        RoleArn=ROLE,
        ModelVariants=[variant("AllTraffic", "old"), variant("shadow", "new")],
        ShadowModeConfig=mode(100),
        DataStorageConfig={
            "Destination": "s3://models/compared",
            "ContentType": {"JsonContentTypes": ["application/json"]},
        },
    )

    def status() -> str:
        return sm.describe_inference_experiment(Name="better")["Status"]

    until(lambda: status() == "Running", "the experiment")

    def copied() -> bool:
        assert stand.ask("tested", [1])["model"] == "old"
        stand.server.world.captures.flush()
        page = s3.list_objects_v2(Bucket="models", Prefix="compared/tested/shadow/")
        return page["KeyCount"] > 0

    until(copied, "the shadow's answers")
    sm.stop_inference_experiment(
        Name="better", ModelVariantActions=PROMOTE, DesiredState="Completed", Reason="better"
    )
    until(lambda: status() == "Completed", "the promotion")
    assert stand.ask("tested", [1])["model"] == "new"
    found = sm.describe_endpoint(EndpointName="tested")
    assert [each["VariantName"] for each in found["ProductionVariants"]] == ["shadow"]
    assert "ShadowProductionVariants" not in found
    (one,) = sm.list_inference_experiments(StatusEquals="Completed")["InferenceExperiments"]
    assert (one["Name"], one["StatusReason"]) == ("better", "better")
    clients, own = {"sagemaker": sm}, stand.server.client("logs")
    at: Any = (clients, None)
    with pytest.raises(CommandError, match="sagebrush logs endpoint tested"):
        logs.of(at, [INFERENCE_EXPERIMENT], "better", own, False)
    sm.delete_inference_experiment(Name="better")
