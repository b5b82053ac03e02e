"""What CreateTransformJob refuses of a request by itself, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.errors import AwsError, Doc
from sagebrush.services.sagemaker.transform import checks, facts


def request(**changes: Any) -> Doc:
    """A valid request; of a structure the given members alone are changed."""
    found: Doc = {
        "TransformJobName": "t",
        "ModelName": "m",
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/in/"}},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        "TransformOutput": {
            "S3OutputPath": "s3://b/out",
            "Accept": "text/csv",
            "AssembleWith": "Line",
        },
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    for member, value in changes.items():
        own = found.get(member)
        found[member] = {**own, **value} if isinstance(own, dict) else value
    return found


LINES = {
    "TransformInput": {"ContentType": "application/jsonlines"},
    "TransformOutput": {"Accept": "application/jsonlines"},
}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"MaxPayloadInMB": 0},
        {"MaxPayloadInMB": 100, "MaxConcurrentTransforms": 1},
        {"MaxConcurrentTransforms": 16},
        {"BatchStrategy": "SingleRecord", "TransformInput": {"SplitType": "None"}},
        {"DataProcessing": {"InputFilter": "$[1:]", "JoinSource": "Input"}},
        {"DataProcessing": {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"},
         "TransformInput": {"ContentType": "image/png"}},
        {**LINES, "DataProcessing": {"OutputFilter": "$['id','SageMakerOutput']"}},
        {"DataCaptureConfig": {"DestinationS3Uri": "s3://b/c", "GenerateInferenceId": True}},
    ],
)  # fmt: skip
def test_what_is_fine(given: Doc) -> None:
    checks.validate(request(**given))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"MaxPayloadInMB": 101}, "MaxPayloadInMB 101 cannot be greater than 100 MB"),
        ({"MaxPayloadInMB": 51, "MaxConcurrentTransforms": 2}, "cannot exceed 100 MB"),
        ({"MaxConcurrentTransforms": 17}, "17 * 6 does"),
        ({"TransformResources": {"InstanceCount": 101}}, "101 is more than 100"),
        ({"TransformInput": {"DataSource": {"S3DataSource": {
            "S3DataType": "AugmentedManifestFile", "S3Uri": "s3://b/x"}}}}, "not compatible"),
        ({"TransformInput": {"DataSource": {"S3DataSource": {
            "S3DataType": "Converse", "S3Uri": "s3://b/x"}}}}, "not compatible"),
        ({"DataProcessing": {"InputFilter": ""}}, 'Invalid InputFilter: "". JsonPath must begin'),
        ({**LINES, "DataProcessing": {"OutputFilter": "$['account_id','SageMakerOutput']"}},
         "Invalid OutputFilter: \"$['account_id','SageMakerOutput']\". Unexpected \"_\" in JsonPath."
         " Supported operators for \"application/jsonlines\" are"),
        ({"DataProcessing": {"OutputFilter": "$[0:2,246:]"}},
         "only single range filters of format (eg: [1:5]) are supported. Format [0:2,246:]"),
        ({"DataProcessing": {"InputFilter": "$.name"}}, 'Unexpected "."'),
        ({"DataProcessing": {"JoinSource": "Input"}, "TransformInput": {"ContentType": "image/png"}},
         "DataProcessing: ContentType must be one of text/csv, application/json, application/jsonlin"),
        ({"DataProcessing": {"JoinSource": "Input"}, "TransformOutput": {"Accept": ""}},
         "Accept must be one of"),
        ({"DataProcessing": {"JoinSource": "Input"}, "TransformOutput": {"AssembleWith": "None"}},
         "text/csv needs SplitType and AssembleWith Line"),
        ({"DataProcessing": {"JoinSource": "Input"},
          "TransformOutput": {"Accept": "application/jsonlines"}}, "of the same format"),
        ({**LINES, "DataProcessing": {"InputFilter": "$.a"},
          "TransformInput": {"ContentType": "application/json", "SplitType": "TFRecord"}},
         "SplitType TFRecord cannot be filtered"),
        ({"DataCaptureConfig": {"DestinationS3Uri": "s3://b/c", "GenerateInferenceId": True},
          "TransformOutput": {"Accept": "image/png"}}, "GenerateInferenceId: Accept must be one of"),
    ],
)  # fmt: skip
def test_what_is_refused(given: Doc, words: str) -> None:
    with pytest.raises(AwsError) as caught:
        checks.validate(request(**given))
    assert caught.value.code == "ValidationException"
    assert words in caught.value.message


def test_the_processes_of_an_instance_have_keys_of_their_own() -> None:
    assert facts.keys("b-1.2", 3) == ["b-1.2", "b-1.2.c2", "b-1.2.c3"]
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 2}
    plan = {"key": "b-1", "begun": 1.0, "containers": [{}, {}]}
    doc = {"TransformResources": resources}
    assert facts.TRANSFORM_JOB.trees is not None
    found = list(facts.TRANSFORM_JOB.trees("t", doc, plan))
    assert [each.key for each in found] == ["b-1", "b-1.c2", "b-1.2", "b-1.2.c2"]
    assert found[1].host == f"{found[0].host}/2"
    assert not list(facts.TRANSFORM_JOB.trees("t", doc, {"key": "b-1", "containers": [{}]}))
