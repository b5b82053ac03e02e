"""An endpoint's world without threads, for tests of its operations and of its life."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sagebrush.app import App
from sagebrush.errors import AwsError, Doc
from tests.conftest import Clock
from tests.services.sagemaker.doubles import archive, install
from tests.services.sagemaker.hosting.test_model import IMAGE, ROLE

NAME = ("123456789012", "us-east-1", "e")
TRACE = """loading
Traceback (most recent call last):
  File "inference.py", line 3, in model_fn
    raise ValueError("no luck")
ValueError: no luck"""


class Stand:
    """An endpoint's world without threads: `turn` is the loop, the clock passes when told."""

    def __init__(self, app: App, clock: Clock) -> None:
        self.app, self.clock = app, clock
        self.backend, self.health = install(app.world)
        self.ctx = app.world.service_ctx(ROLE)
        self.call_s3("CreateBucket", Bucket="models")
        for name, files in (("m", {"weights": "w1"}), ("n", {"weights": "w2"})):
            body = app.world.objects.spool_bytes(archive(files))
            self.call_s3("PutObject", Bucket="models", Key=f"{name}.tar.gz", Body=body)
            self.sm(
                "CreateModel",
                ModelName=name,
                ExecutionRoleArn=ROLE,
                PrimaryContainer={"Image": IMAGE, "ModelDataUrl": f"s3://models/{name}.tar.gz"},
            )
            self.config(f"c-{name}", {"AllTraffic": (name, 1, 1.0)})

    def call_s3(self, name: str, **params: Any) -> Doc:
        return self.ctx.call("s3", name, params)

    def sm(self, name: str, **params: Any) -> Doc:
        return self.ctx.call("sagemaker", name, params)

    def config(self, name: str, variants: dict[str, tuple[str, int, float]], **more: Any) -> None:
        self.sm(
            "CreateEndpointConfig",
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": v,
                    "ModelName": model,
                    "InstanceType": "ml.m5.large",
                    "InitialInstanceCount": count,
                    "InitialVariantWeight": weight,
                    **more,
                }
                for v, (model, count, weight) in variants.items()
            ],
        )

    def turn(self, times: int = 8) -> None:
        """The loop has had `times` turns."""
        for _ in range(times):
            self.app.loop.run_once()

    def healthy(self) -> None:
        """Every replica that runs answers /ping, and the loop knows."""
        for key in self.backend.running():
            self.health.answers(key)
        self.touch()

    def touch(self) -> None:
        row = self.app.world.rows.get(*NAME[:2], "endpoint", "e")
        if row is not None:
            self.app.world.rows.touch(row.id)
        self.turn()

    def create(self, config: str = "c-m") -> None:
        """The endpoint `e` is InService."""
        self.sm("CreateEndpoint", EndpointName="e", EndpointConfigName=config)
        self.turn()
        self.healthy()
        assert self.status() == "InService"

    def describe(self) -> Doc:
        return self.sm("DescribeEndpoint", EndpointName="e")

    def status(self) -> str:
        return self.describe()["EndpointStatus"]

    def routed(self) -> dict[str, list[str]]:
        """The keys of the replicas that get requests, by variant."""
        found = self.app.world.endpoints.get(NAME)
        return {v.name: [r.key for r in v.routes] for v in found.variants} if found else {}


def refused(call: Callable[..., Any], *args: Any, **params: Any) -> str:
    with pytest.raises(AwsError) as caught:
        call(*args, **params)
    assert caught.value.code == "ValidationException"
    return caught.value.message
