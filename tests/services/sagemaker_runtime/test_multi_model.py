"""Multi-model endpoints end to end: boto3, a running server, the toolkit's own model server."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.routing.multimodel.models import Models
from tests.conftest import Server
from tests.services.sagemaker.doubles import archive
from tests.services.sagemaker.hosting.test_model import IMAGE, ROLE
from tests.services.sagemaker_runtime.test_invoke import Stand, failed
from tests.waiting import until

CODE = """
import json, os
def model_fn(model_dir):
    weights = open(os.path.join(model_dir, "weights")).read()
    if weights == "broken":
        raise ValueError("these weights are broken")
    return weights
def predict_fn(data, model):
    if data == "die":
        os._exit(7)
    return {"model": model, "data": data, "pid": os.getpid()}
"""
BUCKET = "many-models"


class Many(Stand):
    """A multi-model endpoint `many`, with room for two loaded models."""

    def put(self, key: str, weights: str) -> None:
        body = archive({"weights": weights, "code/inference.py": CODE})
        self.server.client("s3").put_object(Bucket=BUCKET, Key=f"all/{key}", Body=body)

    def many(self, name: str, cache: str = "Enabled", most: int = 2) -> None:
        self.sm.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={
                "Image": IMAGE,
                "Mode": "MultiModel",
                "ModelDataUrl": f"s3://{BUCKET}/all/",
                "MultiModelConfig": {"ModelCacheSetting": cache},
                "Environment": {"SAGEBRUSH_LOADED_MODELS": str(most)},
            },
        )
        self.config(name, {"AllTraffic": name})
        self.endpoint(name, name)

    def of(self, model: str, data: object = 1, endpoint: str = "many") -> dict[str, Any]:
        return self.ask(endpoint, data, TargetModel=model)

    def unpacked(self) -> int:
        """How many models lie unpacked at the replicas."""
        return len(list(self.server.world.settings.home.glob("jobs/*/ml/models/*")))


@pytest.fixture(scope="module")
def stand(server: Server) -> Iterator[Many]:
    made = Many(server)
    server.client("s3").create_bucket(Bucket=BUCKET)
    for name in "abc":
        made.put(f"{name}.tar.gz", name.upper())
    made.many("many")
    yield made
    made.clear()


def test_each_request_is_answered_by_its_own_model(stand: Many) -> None:
    for model in "abcabc":
        assert stand.of(f"{model}.tar.gz")["model"] == model.upper()
    assert stand.unpacked() == 2  # there is room for two: the others' files went with them
    first = stand.of("c.tar.gz")["pid"]
    assert stand.of("c.tar.gz")["pid"] == first


def test_many_at_once_load_a_model_once_and_none_is_lost(stand: Many) -> None:
    with ThreadPoolExecutor(8) as pool:
        asked = [f"{'abc'[n % 3]}.tar.gz" for n in range(60)]
        found = list(pool.map(lambda model: stand.of(model)["model"], asked))
    assert found == [model[0].upper() for model in asked]


def test_a_model_stays_as_it_was_loaded_and_a_new_key_is_a_new_model(stand: Many) -> None:
    stand.put("v.tar.gz", "1")
    assert stand.of("v.tar.gz")["model"] == "1"
    stand.put("v.tar.gz", "2")
    stand.put("deep/er/v2.tar.gz", "2")
    assert stand.of("v.tar.gz")["model"] == "1"
    assert stand.of("deep/er/v2.tar.gz")["model"] == "2"


def test_a_model_that_dies_is_loaded_again_and_the_others_live(stand: Many) -> None:
    before, other = stand.of("a.tar.gz")["pid"], stand.of("b.tar.gz")["pid"]
    found = failed("ModelError", stand.of, "a.tar.gz", "die")
    assert found["OriginalStatusCode"] == 502
    assert stand.of("a.tar.gz")["pid"] != before
    assert stand.of("b.tar.gz")["pid"] == other


def test_a_restarted_server_asks_what_is_loaded(stand: Many) -> None:
    before = stand.of("a.tar.gz")["pid"]
    stand.server.world.forward.models = Models()
    assert stand.of("a.tar.gz")["pid"] == before


def hostile() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        info = tarfile.TarInfo("../../../outside")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    return data.getvalue()


def test_what_cannot_be_loaded_is_told_and_harms_no_other(stand: Many) -> None:
    other = stand.of("a.tar.gz")["pid"]
    s3 = stand.server.client("s3")
    s3.put_object(Bucket=BUCKET, Key="all/hostile.tar.gz", Body=hostile())
    s3.put_object(Bucket=BUCKET, Key="all/text.tar.gz", Body=b"no archive")
    stand.put("broken.tar.gz", "broken")
    found = failed("ValidationError", stand.of, "none.tar.gz")
    assert found["Error"]["Message"].startswith(
        f"Failed to download model data(bucket: {BUCKET}, key: all/none.tar.gz)."
    )
    for name in ("hostile", "text"):
        found = failed("ValidationError", stand.of, f"{name}.tar.gz")
        assert "Failed to extract model data archive" in found["Error"]["Message"]
    failed("ValidationError", stand.of, "../a.tar.gz")
    found = failed("ModelError", stand.of, "broken.tar.gz")
    assert found["OriginalStatusCode"] == 500
    assert "ValueError: these weights are broken" in found["OriginalMessage"]
    assert stand.of("a.tar.gz")["pid"] == other
    assert stand.unpacked() <= 2


def test_a_request_must_name_a_model_there_and_nowhere_else(stand: Many) -> None:
    # InvokeEndpointWithResponseStream has no TargetModel at all
    asked = {"EndpointName": "many", "Body": b"1", "ContentType": "application/json"}
    for call in (stand.rt.invoke_endpoint, stand.rt.invoke_endpoint_with_response_stream):
        found = failed("ValidationError", call, **asked)
        assert "is missing a target model header" in found["Error"]["Message"]
    stand.model("one")
    stand.endpoint("one", "one")
    found = failed("ValidationError", stand.ask, "one", 1, TargetModel="a.tar.gz")
    assert found["Error"]["Message"] == (
        "Endpoint one is not a multi-model endpoint and does not support target model header."
    )


def test_without_a_cache_each_request_loads_its_model(stand: Many) -> None:
    stand.many("uncached", "Disabled")
    first = stand.of("a.tar.gz", endpoint="uncached")["pid"]
    assert stand.of("a.tar.gz", endpoint="uncached")["pid"] != first


def test_loads_and_hits_are_metrics(stand: Many) -> None:
    for _ in range(2):
        stand.of("a.tar.gz")
    world = stand.server.world
    world.tallies.flush()
    cloudwatch = stand.server.client("cloudwatch")

    def listed(namespace: str) -> set[str]:
        found = cloudwatch.list_metrics(
            Namespace=namespace, Dimensions=[{"Name": "EndpointName", "Value": "many"}]
        )
        return {metric["MetricName"] for metric in found["Metrics"]}

    wanted = {"ModelCacheHit", "ModelLoadingTime", "ModelDownloadingTime", "ModelUnloadingTime",
              "ModelLoadingWaitTime"}  # fmt: skip
    assert until(lambda: wanted <= listed("AWS/SageMaker"), "the metrics of models")
    assert "LoadedModelCount" in listed("/aws/sagemaker/Endpoints")


def test_what_a_multi_model_container_cannot_be_is_refused(stand: Many) -> None:
    with pytest.raises(ClientError, match="AsyncInferenceConfig is not supported"):
        stand.sm.create_endpoint_config(
            EndpointConfigName="async",
            ProductionVariants=[
                {"VariantName": "v", "ModelName": "many", "InstanceType": "ml.t2.medium",
                 "InitialInstanceCount": 1}
            ],
            AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": f"s3://{BUCKET}/out"}},
        )  # fmt: skip
    several = [{"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": f"s3://{BUCKET}/all/"}] * 2
    with pytest.raises(ClientError, match="beside other containers"):
        stand.sm.create_model(ModelName="two", ExecutionRoleArn=ROLE, Containers=several)
