"""Models and endpoint configurations: what is kept, and what is refused in which words."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.errors import AwsError, Doc
from sagebrush.world import Ctx
from tests.services.sagemaker.doubles import archive

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn"
BLAZINGTEXT = "811284229777.dkr.ecr.us-east-1.amazonaws.com/blazingtext:1"
ROLE = "arn:aws:iam::123456789012:role/SagebrushExecutionRole"
DATA = "s3://models/m/model.tar.gz"


@pytest.fixture
def sm(ctx: Ctx) -> Any:
    """`sm("CreateModel", ModelName=…)`: an operation of SageMaker, checked as a request is."""
    put(ctx, "m/model.tar.gz", archive({"weights": "w"}), make=True)

    def call(name: str, **params: Any) -> Doc:
        return ctx.call("sagemaker", name, params)

    return call


def put(ctx: Ctx, key: str, body: bytes, make: bool = False) -> None:
    if make:
        ctx.call("s3", "CreateBucket", {"Bucket": "models"})
    spooled = ctx.world.objects.spool_bytes(body)
    ctx.call("s3", "PutObject", {"Bucket": "models", "Key": key, "Body": spooled})


def model(**container: Any) -> Doc:
    return {
        "ModelName": "m",
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": DATA, **container},
    }


def variant(**more: Any) -> Doc:
    base = {"VariantName": "AllTraffic", "ModelName": "m", "InstanceType": "ml.m5.large"}
    return {**base, "InitialInstanceCount": 1, **more}


def refused(call: Any, name: str, **params: Any) -> str:
    with pytest.raises(AwsError) as caught:
        call(name, **params)
    assert caught.value.code == "ValidationException"
    assert caught.value.status == 400
    return caught.value.message


def test_a_model_is_described_as_it_was_created_and_then_deleted(sm: Any) -> None:
    arn = sm("CreateModel", **model(Environment={"A": "1"}), Tags=[{"Key": "k", "Value": "v"}])
    assert arn == {"ModelArn": "arn:aws:sagemaker:us-east-1:123456789012:model/m"}
    found = sm("DescribeModel", ModelName="m")
    assert found["PrimaryContainer"]["Environment"] == {"A": "1"}
    assert found["EnableNetworkIsolation"] is False
    assert [m["ModelName"] for m in sm("ListModels")["Models"]] == ["m"]
    sm("DeleteModel", ModelName="m")
    message = refused(sm, "DescribeModel", ModelName="m")
    assert message == f'Could not find model "{arn["ModelArn"]}".'
    assert refused(sm, "DeleteModel", ModelName="m") == message


def test_a_second_model_of_that_name_is_refused(sm: Any) -> None:
    sm("CreateModel", **model())
    assert refused(sm, "CreateModel", **model()) == (
        'Cannot create already existing model "arn:aws:sagemaker:us-east-1:123456789012:model/m".'
    )


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({"Image": "my-own-image:1"}, "my-own-image"),
        ({"ModelDataUrl": "s3://models/none.tar.gz"}, "Could not find model data at s3://models/n"),
        ({"ModelDataUrl": "s3://nobucket/x.tar.gz"}, "Could not find model data at s3://nobucket"),
        ({"ModelDataUrl": "https://example.com/m"}, "must be at s3://bucket/key"),
        (
            {
                "Mode": "MultiModel",
                "ModelDataSource": {
                    "S3DataSource": {
                        "S3Uri": DATA,
                        "S3DataType": "S3Object",
                        "CompressionType": "Gzip",
                    }
                },
            },
            "Mode MultiModel needs ModelDataUrl",
        ),
        ({"MultiModelConfig": {"ModelCacheSetting": "Disabled"}}, "needs Mode MultiModel"),
        ({"ModelPackageName": "p"}, "model packages"),
    ],
)
def test_a_container_that_cannot_be_served_is_refused(sm: Any, container: Doc, words: str) -> None:
    assert words in refused(sm, "CreateModel", **model(**container))


@pytest.mark.parametrize(
    "address",
    [
        "s3-us-east-1.amazonaws.com/models",
        "s3.amazonaws.com/models",
        "s3.us-east-1.amazonaws.com/models",
        "models.s3.amazonaws.com",
        "models.s3-us-west-2.amazonaws.com",
        "models.s3.dualstack.cn-north-1.amazonaws.com.cn",
    ],
)
def test_model_data_may_be_named_by_its_address(sm: Any, address: str) -> None:
    url = f"https://{address}/m/model.tar.gz"
    sm("CreateModel", **model(ModelDataUrl=url))
    assert sm("DescribeModel", ModelName="m")["PrimaryContainer"]["ModelDataUrl"] == url
    missing = model(ModelDataUrl=f"https://{address}/none") | {"ModelName": "other"}
    assert "Could not find model data at s3://models/none" in refused(sm, "CreateModel", **missing)


@pytest.mark.parametrize("host", ["s3-x.example.com/models", "nots3.amazonaws.com/models"])
def test_other_addresses_are_no_model_data(sm: Any, host: str) -> None:
    found = refused(sm, "CreateModel", **model(ModelDataUrl=f"https://{host}/m/model.tar.gz"))
    assert "must be at s3://bucket/key" in found


def test_one_container_may_come_as_a_list(sm: Any) -> None:
    one = {"Image": IMAGE, "ModelDataUrl": DATA}
    assert "PrimaryContainer" in refused(sm, "CreateModel", ModelName="m", ExecutionRoleArn=ROLE)
    sm("CreateModel", ModelName="m", ExecutionRoleArn=ROLE, Containers=[one])
    assert sm("DescribeModel", ModelName="m")["Containers"] == [one]


@pytest.mark.parametrize(
    ("names", "mode", "words"),
    [
        (("a", "a"), "Serial", "a is there twice"),
        (("a", None), "Serial", "for every container in an inference pipeline"),
        (("a", None), "Direct", "ContainerHostname is required"),
        (("a",), "Direct", "more than one member"),
        ((None,) * 16, "Serial", "15"),
    ],
)
def test_several_containers_are_told_apart(
    sm: Any, names: tuple[str | None, ...], mode: str, words: str
) -> None:
    each = [
        {"Image": IMAGE, "ModelDataUrl": DATA, **({"ContainerHostname": n} if n else {})}
        for n in names
    ]
    way = {"ModelName": "m", "ExecutionRoleArn": ROLE, "InferenceExecutionConfig": {"Mode": mode}}
    assert words in refused(sm, "CreateModel", Containers=each, **way)


def test_the_data_of_each_container_is_asked_for(sm: Any) -> None:
    good, gone = DATA, "s3://models/none.tar.gz"
    each = [{"Image": IMAGE, "ModelDataUrl": url} for url in (good, gone)]
    message = refused(sm, "CreateModel", ModelName="m", ExecutionRoleArn=ROLE, Containers=each)
    assert f"Could not find model data at {gone}" in message


def test_a_built_in_algorithm_needs_its_model_data(sm: Any) -> None:
    message = refused(
        sm,
        "CreateModel",
        ModelName="m",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": BLAZINGTEXT},
    )
    assert "blazingtext" in message


def test_uncompressed_model_data_may_be_a_prefix(sm: Any) -> None:
    def source(uri: str, kind: str, compression: str) -> Doc:
        s3 = {"S3Uri": uri, "S3DataType": kind, "CompressionType": compression}
        container = {"Image": IMAGE, "ModelDataSource": {"S3DataSource": s3}}
        return {"ModelName": "m", "ExecutionRoleArn": ROLE, "PrimaryContainer": container}

    for wrong, words in (
        (source("s3://models/m", "S3Prefix", "None"), "slash"),
        (source("s3://models/m/", "S3Prefix", "Gzip"), "S3Object"),
        (source("s3://models/nothing/", "S3Prefix", "None"), "Could not find model data"),
    ):
        assert words in refused(sm, "CreateModel", **wrong)
    sm("CreateModel", **source("s3://models/m/", "S3Prefix", "None"))


def test_a_role_of_another_account_is_refused(sm: Any) -> None:
    wrong = {**model(), "ExecutionRoleArn": "arn:aws:iam::999999999999:role/Theirs"}
    assert "Cross-account pass role is not allowed" in refused(sm, "CreateModel", **wrong)


def test_a_configuration_is_described_with_defaults(sm: Any) -> None:
    sm("CreateModel", **model())
    sm("CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[variant()])
    found = sm("DescribeEndpointConfig", EndpointConfigName="c")
    assert found["ProductionVariants"][0]["InitialVariantWeight"] == 1.0
    again = {"EndpointConfigName": "c", "ProductionVariants": [variant()]}
    arn = '"arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/c".'
    assert refused(sm, "CreateEndpointConfig", **again) == (
        f"Cannot create already existing endpoint configuration {arn}"
    )
    assert sm("ListEndpointConfigs")["EndpointConfigs"][0]["EndpointConfigName"] == "c"
    sm("DeleteEndpointConfig", EndpointConfigName="c")
    assert refused(sm, "DescribeEndpointConfig", EndpointConfigName="c") == (
        f"Could not find endpoint configuration {arn}"
    )


def test_a_configuration_needs_its_model(sm: Any) -> None:
    wrong = {"EndpointConfigName": "c", "ProductionVariants": [variant(ModelName="none")]}
    assert refused(sm, "CreateEndpointConfig", **wrong) == (
        'Could not find model "arn:aws:sagemaker:us-east-1:123456789012:model/none".'
    )


CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://models/capture",
    "CaptureOptions": [{"CaptureMode": "Input"}],
}


@pytest.mark.parametrize(
    ("variants", "more", "words"),
    [
        (
            [variant(ServerlessConfig={"MemorySizeInMB": 1024, "MaxConcurrency": 1})],
            {},
            "ServerlessC",
        ),
        (
            [variant()],
            {"AsyncInferenceConfig": {"OutputConfig": {"S3FailurePath": "s3://models/o"}}},
            "needs an OutputConfig.S3OutputPath",
        ),
        (
            [variant()],
            {"ShadowProductionVariants": [variant(VariantName=name) for name in ("s", "t")]},
            "exactly one production variant and one shadow variant",
        ),
        ([variant()], {"ShadowProductionVariants": [variant()]}, "AllTraffic is there twice"),
        ([variant(), variant()], {}, "AllTraffic is there twice"),
        ([{"VariantName": "v", "InstanceType": "ml.m5.large"}], {}, "ExecutionRoleArn is required"),
    ],
)
def test_configurations_that_would_not_be_served_as_they_say_are_refused(
    sm: Any, variants: list[Doc], more: Doc, words: str
) -> None:
    sm("CreateModel", **model())
    params = {"EndpointConfigName": "c", "ProductionVariants": variants, **more}
    assert words in refused(sm, "CreateEndpointConfig", **params)


def test_data_capture_that_is_switched_off_is_kept(sm: Any) -> None:
    sm("CreateModel", **model())
    off = {**CAPTURE, "EnableCapture": False}
    sm(
        "CreateEndpointConfig",
        EndpointConfigName="c",
        ProductionVariants=[variant()],
        DataCaptureConfig=off,
    )
    assert sm("DescribeEndpointConfig", EndpointConfigName="c")["DataCaptureConfig"] == off


def test_a_tag_that_does_not_exist_and_jumpstarts_data_are_told(sm: Any) -> None:
    """Source of the first words: github.com/aws-samples/easy-amazon-sagemaker-deployments, issue 4."""
    message = refused(sm, "CreateModel", **model(Image=f"{IMAGE}:banana"))
    assert message.startswith(
        f"Requested image {IMAGE}:banana not found. Tags of sagemaker-scikit-"
    )
    url = "s3://jumpstart-cache-prod-us-east-1/m/model.tar.gz"
    message = refused(sm, "CreateModel", **model(ModelDataUrl=url))
    assert message.startswith(
        f"Could not find model data at {url}. jumpstart-cache-prod-us-east-1 is"
    )
    assert "JumpStart" in message
    assert "sagebrush samples add jumpstart-cache-prod-us-east-1/m FOLDER" in message
