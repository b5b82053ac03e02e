"""Comprehend on the wire: what is refused before any model is asked, in both of its protocols, by boto3
and the AWS CLI. Nothing here needs models."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.aws import models
from sagebrush.store.rows import Row
from tests.conftest import Server
from tests.needs import missing
from tests.services.comprehend.speaking import in_cbor, in_json

ACCOUNT = "123456789012"
ARN = f"arn:aws:comprehend:us-east-1:{ACCOUNT}:"
ONE = (
    "detect_entities",
    "detect_key_phrases",
    "detect_sentiment",
    "detect_targeted_sentiment",
    "detect_syntax",
    "detect_pii_entities",
    "contains_pii_entities",
)
"""The operations on one text in a language."""
SHORT = {"detect_sentiment", "detect_targeted_sentiment", "detect_syntax"}
BATCHES = (
    "batch_detect_entities",
    "batch_detect_key_phrases",
    "batch_detect_sentiment",
    "batch_detect_targeted_sentiment",
    "batch_detect_syntax",
)
LONG = (
    "Max length of request text allowed is {} bytes while in this request the text size is {} bytes"
)


@pytest.fixture
def texts(client: Callable[..., Any]) -> Any:
    return client("comprehend")


def refused(call: Callable[..., Any], **given: Any) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as error:
        call(**given)
    said: Any = error.value.response
    status = said["ResponseMetadata"]["HTTPStatusCode"]
    return said["Error"]["Code"], said["Error"]["Message"], status


# Sizes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ONE)
def test_a_text_that_is_too_long_is_refused_with_its_bytes(texts: Any, operation: str):
    most = 5_000 if operation in SHORT else 100_000
    text = "é" * (most // 2) + "x"
    code, message, status = refused(getattr(texts, operation), Text=text, LanguageCode="en")
    assert (code, status) == ("TextSizeLimitExceededException", 400)
    assert message == f"Input text size exceeds limit. {LONG.format(most, most + 1)}"


def test_a_text_whose_language_is_asked_for_has_a_limit_too(texts: Any):
    code, message, _ = refused(texts.detect_dominant_language, Text="x" * 100_001)
    assert code == "TextSizeLimitExceededException"
    assert LONG.format(100_000, 100_001) in message


@pytest.mark.parametrize("operation", BATCHES)
def test_batches_that_are_too_large_are_refused(texts: Any, operation: str):
    call = getattr(texts, operation)
    code, message, _ = refused(call, TextList=["x"] * 26, LanguageCode="en")
    assert code == "BatchSizeLimitExceededException"
    assert message.endswith("Maximum batch size is 25.")
    code, message, _ = refused(call, TextList=["x", "x" * 5_001], LanguageCode="en")
    assert code == "TextSizeLimitExceededException"
    assert LONG.format(5_000, 5_001) in message


def test_segments_that_are_too_many_or_too_long_are_refused(texts: Any):
    call = texts.detect_toxic_content
    many = [{"Text": "x"}] * 11
    assert refused(call, TextSegments=many, LanguageCode="en")[0] == "InvalidRequestException"
    long = [{"Text": "x" * 1_025}]
    found = refused(call, TextSegments=long, LanguageCode="en")
    assert found[0] == "TextSizeLimitExceededException"


# Languages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", [*ONE, *BATCHES])
def test_an_unknown_language_is_refused_in_awss_words(texts: Any, operation: str):
    given = {"TextList": ["x"]} if operation in BATCHES else {"Text": "x"}
    found = refused(getattr(texts, operation), **given, LanguageCode="ro")
    known = "de, pt, en, it, fr, es"
    if "syntax" not in operation:
        known = f"ar, hi, ko, zh-TW, ja, zh, {known}"
    assert found == (
        "ValidationException",
        "Value 'ro' at 'languageCode'failed to satisfy constraint: Member must satisfy enum value"
        f" set: [{known}]",
        400,
    )


@pytest.mark.parametrize("operation", [*ONE, *BATCHES])
def test_a_language_without_a_model_is_refused_with_what_is_missing(texts: Any, operation: str):
    given = {"TextList": ["x"]} if operation in BATCHES else {"Text": "x"}
    code, message, status = refused(getattr(texts, operation), **given, LanguageCode="fr")
    assert (code, status) == ("UnsupportedLanguageException", 400)
    assert "the language code fr" in message
    assert message.endswith(("Supported here: en.", "Supported: en.", "Supported: en, es."))


# What the model of the API checks -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "request_", "message"),
    [
        (
            "DetectSentiment",
            {"Text": "x"},
            "1 validation error detected: Value null at 'languageCode' failed to satisfy constraint:"
            " Member must not be null",
        ),
        (
            "DetectEntities",
            {"LanguageCode": "en"},
            "1 validation error detected: Value null at 'text' failed to satisfy constraint: Member"
            " must not be null",
        ),
        (
            "DetectToxicContent",
            {"LanguageCode": "en"},
            "1 validation error detected: Value null at 'textSegments' failed to satisfy constraint:"
            " Member must not be null",
        ),
        (
            "DetectSentiment",
            {"Text": "", "LanguageCode": "en"},
            "1 validation error detected: Value at 'text' failed to satisfy constraint: Member must"
            " have length greater than or equal to 1",
        ),
        (
            "BatchDetectSentiment",
            {"TextList": [], "LanguageCode": "en"},
            "1 validation error detected: Value at 'textList' failed to satisfy constraint: Member"
            " must have length greater than or equal to 1",
        ),
        (
            "BatchDetectSentiment",
            {"TextList": ["a secret", ""], "LanguageCode": "en"},
            "1 validation error detected: Value at 'textList' failed to satisfy constraint: Member"
            " must satisfy constraint: [Member must have length greater than or equal to 1]",
        ),
    ],
)
def test_what_is_missing_or_empty_is_refused_without_quoting_texts(
    server: Server, operation: str, request_: dict[str, Any], message: str
):
    status, said = in_json(server, operation, json.dumps(request_).encode())
    assert (status, said["__type"], said["message"]) == (400, "ValidationException", message)


def test_half_of_a_surrogate_pair_is_refused(server: Server):
    status, _ = in_json(server, "DetectSentiment", b'{"Text": "ab\\ud800", "LanguageCode": "en"}')
    assert status == 400


# Endpoints ----------------------------------------------------------------------------------------

NOT_FOUND = (
    "ResourceNotFoundException",
    "RESOURCE_NOT_FOUND: Could not find specified resource.",
    404,
)


@pytest.mark.parametrize("account", [ACCOUNT, "210987654321"])
def test_endpoints_that_are_not_there_are_not_found(texts: Any, account: str):
    of = f"arn:aws:comprehend:us-east-1:{account}:"
    recognizer = f"{of}entity-recognizer-endpoint/names"
    assert refused(texts.detect_entities, Text="x", EndpointArn=recognizer) == NOT_FOUND
    assert refused(texts.detect_entities, Bytes=b"x", EndpointArn=recognizer) == NOT_FOUND
    classifier = f"{of}document-classifier-endpoint/topics"
    config = {"DocumentReadAction": "TEXTRACT_DETECT_DOCUMENT_TEXT"}
    found = refused(
        texts.classify_document, Bytes=b"x", EndpointArn=classifier, DocumentReaderConfig=config
    )
    assert found == NOT_FOUND


def test_an_endpoint_that_is_not_in_service_is_unavailable(server: Server, texts: Any):
    kind = "document-classifier-endpoint"
    server.world.rows.insert(Row(ACCOUNT, "us-east-1", kind, "made", "CREATING", {}))
    found = refused(texts.classify_document, Text="x", EndpointArn=f"{ARN}{kind}/made")
    assert found[0] == "ResourceUnavailableException"
    elsewhere = f"{ARN}{kind}/made".replace("us-east-1", "eu-west-1")
    assert refused(texts.classify_document, Text="x", EndpointArn=elsewhere) == NOT_FOUND


def test_prompt_safety_is_refused_and_says_why(texts: Any):
    arn = "arn:aws:comprehend:us-east-1:aws:document-classifier-endpoint/prompt-safety"
    code, message, status = refused(texts.classify_document, Text="x", EndpointArn=arn)
    assert (code, status) == ("InvalidRequestException", 400)
    assert "Prompt safety" in message
    assert "licence" in message


@pytest.mark.parametrize(
    "given", [{}, {"Text": "x", "Bytes": b"x"}, {"Text": "x", "DocumentReaderConfig": {}}]
)
def test_a_custom_model_takes_one_document(texts: Any, given: dict[str, Any]):
    if "DocumentReaderConfig" in given:
        given = {
            **given,
            "DocumentReaderConfig": {"DocumentReadAction": "TEXTRACT_ANALYZE_DOCUMENT"},
        }
    arn = f"{ARN}document-classifier-endpoint/topics"
    found = refused(texts.classify_document, EndpointArn=arn, **given)
    assert found[0] == "InvalidRequestException"


def test_files_are_for_custom_recognizers(texts: Any):
    found = refused(texts.detect_entities, Bytes=b"x", LanguageCode="en")
    assert (found[0], "EndpointArn" in found[1]) == ("InvalidRequestException", True)


# What there is not --------------------------------------------------------------------------------


def test_operations_that_are_not_there_yet_are_refused_by_name(texts: Any, server: Server):
    known = {name for service, name in server.world.operations if service == "comprehend"}
    assert len(known) >= 16
    missing_ = sorted(set(models.names("comprehend")) - known)
    for name in missing_:
        status, said = in_json(server, name, b"{}")
        assert (status, said["__type"]) == (400, "NotImplemented"), name
        assert f"the operation {name} of comprehend" in said["message"]


# Permissions --------------------------------------------------------------------------------------


@pytest.fixture
def limited(server: Server) -> Callable[..., Any]:
    """A client of a role that may do what the statements say."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }

    def make(name: str, *statements: dict[str, Any]) -> Any:
        iam, sts = server.client("iam"), server.client("sts")
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy)
        arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
        keys = sts.assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
        return server.client(
            "comprehend",
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )

    return make


def test_callers_need_the_action(limited: Callable[..., Any]):
    may = {"Effect": "Allow", "Action": "comprehend:DetectKeyPhrases", "Resource": "*"}
    texts = limited("phrases-only", may)
    code, message, status = refused(texts.detect_sentiment, Text="a secret", LanguageCode="en")
    assert (code, status) == ("AccessDeniedException", 400)
    assert "not authorized to perform: comprehend:DetectSentiment" in message
    assert "secret" not in message
    found = refused(texts.detect_key_phrases, Text="x", LanguageCode="fr")
    assert found[0] == "UnsupportedLanguageException"  # it was allowed


def test_endpoints_are_resources_of_permissions(limited: Callable[..., Any]):
    ending = "entity-recognizer-endpoint/"
    own = {"Effect": "Allow", "Action": "comprehend:DetectEntities", "Resource": f"{ARN}{ending}a"}
    texts = limited("one-endpoint", own)
    call = texts.detect_entities
    assert refused(call, Text="x", EndpointArn=f"{ARN}{ending}a") == NOT_FOUND
    other = refused(call, Text="x", EndpointArn=f"{ARN}{ending}b")
    assert other[0] == "AccessDeniedException"
    assert f"on resource: {ARN}{ending}b" in other[1]
    assert refused(call, Text="x", LanguageCode="en")[0] == "AccessDeniedException"


# Protocols and clients ----------------------------------------------------------------------------


def test_smithys_cbor_is_understood(server: Server):
    said = in_cbor(server, "DetectSyntax", {"Text": "x" * 5_001, "LanguageCode": "en"})
    assert said["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert said["Error"]["Code"] == "TextSizeLimitExceededException"
    assert LONG.format(5_000, 5_001) in said["Error"]["Message"]


@pytest.mark.costs("starts the AWS CLI, which imports for a second")
def test_the_command_line_asks_in_json(server: Server, tmp_path: Path):
    aws = shutil.which("aws") or missing("the AWS CLI is not installed")
    key, secret = server.world.credentials.user_key
    variables = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server.url,
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_MAX_ATTEMPTS": "1",
    }
    asked = ["comprehend", "detect-entities", "--text", "x", "--language-code", "ja"]
    done = subprocess.run(
        [aws, *asked], env=variables, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode != 0
    assert "(UnsupportedLanguageException) when calling the DetectEntities operation" in done.stderr
    assert "entities in Japanese" in done.stderr


def test_texts_are_in_no_log(
    server: Server, texts: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path
):
    marker = "Zyxw-Vutsr"
    with caplog.at_level(logging.DEBUG, "sagebrush"):
        refused(texts.detect_sentiment, Text=f"{marker} " * 1_000, LanguageCode="en")
        refused(texts.batch_detect_syntax, TextList=[marker], LanguageCode="fr")
    assert marker not in caplog.text
    kept = [path for path in server.app.settings.home.rglob("*") if path.is_file()]
    assert "access.log" in {path.name for path in kept}
    assert not [path for path in kept if marker.encode() in path.read_bytes()]
