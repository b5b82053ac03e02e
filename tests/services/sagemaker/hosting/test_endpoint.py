"""Operations on endpoints over a backend that does as the test says."""

from __future__ import annotations

import asyncio
import io
import json
import os
import tarfile

import pytest

from sagebrush.errors import AwsError
from sagebrush.routing import forward
from sagebrush.services.sagemaker_runtime import invoke
from tests.services.sagemaker.doubles import archive
from tests.services.sagemaker.hosting.test_model import IMAGE, ROLE
from tests.services.sagemaker.stand import NAME, Stand, refused


def test_creating_then_in_service(stand: Stand) -> None:
    stand.sm("CreateEndpoint", EndpointName="e", EndpointConfigName="c-m")
    stand.turn()
    found = stand.describe()
    assert found["EndpointStatus"] == "Creating"
    assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 0
    assert found["ProductionVariants"][0]["VariantStatus"][0]["Status"] == "Creating"
    assert stand.routed() == {}
    stand.healthy()
    found = stand.describe()
    assert found["EndpointStatus"] == "InService"
    variant = found["ProductionVariants"][0]
    assert (variant["CurrentInstanceCount"], variant["CurrentWeight"]) == (1, 1.0)
    assert variant["DeployedImages"][0]["SpecifiedImage"] == IMAGE
    assert stand.routed() == {"AllTraffic": stand.backend.running()}


def test_a_replica_gets_its_model_its_role_and_its_limits(stand: Stand) -> None:
    stand.create()
    (spec,) = stand.backend.specs.values()
    assert (spec.root / "ml" / "model" / "weights").read_text() == "w1"
    assert spec.role == ROLE
    assert spec.port == 8080
    assert spec.limits.name == "ml.m5.large"
    assert spec.env["SM_NUM_CPUS"].isdigit()
    assert spec.argv[1].endswith("/toolkit/serving/serve.py")


def test_a_model_without_a_role_is_read_as_the_execution_role(stand: Stand) -> None:
    world = stand.app.world
    owner = world.ctx(world.credentials.user_caller)
    container = {"Image": IMAGE, "ModelDataUrl": "s3://models/m.tar.gz"}
    given = {"ModelName": "roleless", "PrimaryContainer": container}
    owner.call("sagemaker", "CreateModel", given)
    stand.config("c-roleless", {"AllTraffic": ("roleless", 1, 1.0)})
    deny = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    policy = {"RoleName": "SagebrushExecutionRole", "PolicyName": "no", "PolicyDocument": document}
    owner.call("iam", "PutRolePolicy", policy)
    request = {"EndpointName": "e", "EndpointConfigName": "c-roleless"}
    owner.call("sagemaker", "CreateEndpoint", request)
    stand.turn(20)
    assert stand.status() == "Failed"
    assert "s3://models/m.tar.gz" in stand.describe()["FailureReason"]


def test_a_link_that_names_the_models_place_absolutely_leads_there(stand: Stand) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, link in (("step-9/weights", ""), ("best", "/opt/ml/model/step-9")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = (tarfile.SYMTYPE, link) if link else (tarfile.REGTYPE, "")
            tar.addfile(info)
    body = stand.app.world.objects.spool_bytes(out.getvalue())
    stand.call_s3("PutObject", Bucket="models", Key="m.tar.gz", Body=body)
    stand.create()
    (spec,) = stand.backend.specs.values()
    model = spec.root / "ml" / "model"
    assert os.readlink(model / "best") == "step-9"
    assert (model / "best" / "weights").is_file()


def test_a_configuration_may_isolate_all_its_models(stand: Stand) -> None:
    variant = {"ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    stand.sm(
        "CreateEndpointConfig",
        EndpointConfigName="alone",
        ProductionVariants=[{"VariantName": "a", **variant}],
        EnableNetworkIsolation=True,
    )
    stand.create("alone")
    (spec,) = stand.backend.specs.values()
    assert spec.listeners == ()


def test_code_that_a_submit_directory_names_is_unpacked(stand: Stand) -> None:
    code = stand.app.world.objects.spool_bytes(archive({"mine.py": "x = 1\n"}))
    stand.call_s3("PutObject", Bucket="models", Key="sourcedir.tar.gz", Body=code)
    stand.sm(
        "CreateModel",
        ModelName="s",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={
            "Image": IMAGE,
            "ModelDataUrl": "s3://models/m.tar.gz",
            "Environment": {
                "SAGEMAKER_PROGRAM": "mine.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "s3://models/sourcedir.tar.gz",
            },
        },
    )
    stand.config("c-s", {"AllTraffic": ("s", 1, 1.0)})
    stand.create("c-s")
    (spec,) = stand.backend.specs.values()
    assert (spec.root / "ml" / "code" / "mine.py").read_text() == "x = 1\n"
    assert spec.env["SAGEMAKER_PROGRAM"] == "mine.py"


def test_retained_properties_outlive_an_update(stand: Stand) -> None:
    stand.create()
    desired = [{"VariantName": "AllTraffic", "DesiredWeight": 5.0, "DesiredInstanceCount": 2}]
    stand.sm(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=desired,
    )
    stand.turn()
    stand.healthy()
    stand.sm(
        "UpdateEndpoint",
        EndpointName="e",
        EndpointConfigName="c-n",
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredWeight"}],
    )
    stand.turn()
    stand.healthy()
    (variant,) = stand.describe()["ProductionVariants"]
    assert (variant["DesiredInstanceCount"], variant["CurrentWeight"]) == (2, 1.0)


def test_scaling_up_and_down(stand: Stand) -> None:
    stand.create()

    def scale(count: int) -> None:
        desired = [{"VariantName": "AllTraffic", "DesiredInstanceCount": count}]
        stand.sm(
            "UpdateEndpointWeightsAndCapacities",
            EndpointName="e",
            DesiredWeightsAndCapacities=desired,
        )
        stand.turn()

    scale(3)
    assert stand.status() == "Updating"
    stand.healthy()
    assert stand.status() == "InService"
    assert len(stand.routed()["AllTraffic"]) == 3
    scale(1)
    assert stand.status() == "InService"
    assert len(stand.backend.running()) == len(stand.routed()["AllTraffic"]) == 1
    missing = [{"VariantName": "bogus", "DesiredWeight": 1.0}]
    message = refused(
        stand.sm,
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=missing,
    )
    assert message == (
        'The variant name(s) "bogus" is/are not present within endpoint configuration "c-m".'
    )


def test_weights_share_out_the_requests(stand: Stand) -> None:
    stand.config("ab", {"a": ("m", 1, 3.0), "b": ("n", 1, 1.0)})
    stand.create("ab")
    found = stand.app.world.endpoints.get(NAME)
    assert found is not None
    drawn = [found.choose().name for _ in range(4000)]
    assert 2800 < drawn.count("a") < 3200
    stand.sm(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=[{"VariantName": "b", "DesiredWeight": 0.0}],
    )
    stand.turn()
    found = stand.app.world.endpoints.get(NAME)
    assert found is not None
    assert {found.choose().name for _ in range(100)} == {"a"}


def test_missing_configurations_and_endpoints_are_told_in_awss_words(stand: Stand) -> None:
    arn = "arn:aws:sagemaker:us-east-1:123456789012"
    params = {"EndpointName": "e", "EndpointConfigName": "none"}
    assert refused(stand.sm, "CreateEndpoint", **params) == (
        f'Could not find endpoint configuration "{arn}:endpoint-config/none".'
    )
    assert refused(stand.sm, "DeleteEndpoint", EndpointName="e") == (
        f'Could not find endpoint "{arn}:endpoint/e".'
    )
    stand.create()
    params = {"EndpointName": "e", "EndpointConfigName": "c-m"}
    assert refused(stand.sm, "CreateEndpoint", **params) == (
        f'Cannot create already existing endpoint "{arn}:endpoint/e".'
    )


def test_the_log_of_a_replica_is_a_stream(stand: Stand) -> None:
    stand.create()
    (key,) = stand.backend.running()
    rows = stand.app.world.db.read("SELECT grp, name, job FROM log_stream")
    assert [(r["grp"], r["job"]) for r in rows] == [("/aws/sagemaker/Endpoints/e", key)]
    assert rows[0]["name"].startswith("AllTraffic/")


def test_a_request_that_no_replica_takes_is_told_so(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "PATIENCE", 0.2)
    stand.create()  # its replicas "run" at a port where nothing listens
    with pytest.raises(AwsError) as caught:
        asyncio.run(invoke.invoke_endpoint(stand.ctx, {"EndpointName": "e", "Body": b"1"}))
    assert (caught.value.code, caught.value.status) == ("ServiceUnavailable", 503)
    assert "production variant AllTraffic of endpoint e" in caught.value.message
