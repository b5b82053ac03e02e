"""Which languages each operation reads, compared with AWS's model, and how others are refused."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.aws import models
from sagebrush.errors import AwsError
from sagebrush.services.comprehend import languages


def members_of(name: str) -> dict[str, Any]:
    """The shapes of the operation's input."""
    shape: Any = models.model("comprehend").operation_model(name).input_shape
    return shape.members


def refused(task: str, code: str) -> AwsError:
    with pytest.raises(AwsError) as error:
        languages.check(task, code)
    return error.value


def test_every_operation_that_takes_a_language_has_its_languages():
    named = models.names("comprehend")
    read = [name for name in named if name.startswith(("Detect", "Contains"))]
    taking = {name for name in read if "LanguageCode" in members_of(name)}
    assert taking == set(languages.READ)
    batches = {n for n in named if n.startswith("BatchDetect")} - {"BatchDetectDominantLanguage"}
    assert {n.removeprefix("Batch") for n in batches} <= set(languages.READ)


@pytest.mark.parametrize("task", sorted(languages.READ))
def test_languages_are_among_those_of_the_model(task: str):
    known = members_of(task)["LanguageCode"].enum
    reading = languages.READ[task]
    assert set(reading.here) <= set(reading.aws) <= set(known)
    assert "en" in reading.here
    assert set(known) <= set(languages.NAMES)


def test_english_is_read_everywhere_and_spanish_where_it_is_personal_data():
    for task in languages.READ:
        languages.check(task, "en")
    for task in ("DetectPiiEntities", "ContainsPiiEntities"):
        languages.check(task, "es")


def test_a_language_that_aws_has_too_is_refused_with_what_is_missing_here():
    error = refused("DetectEntities", "zh-TW")
    assert (error.code, error.status) == ("UnsupportedLanguageException", 400)
    assert error.message == (
        "DetectEntities is not answered here for the language code zh-TW: there is no model of"
        " entities in Chinese (traditional) on this server. Supported here: en."
    )


def test_a_language_that_aws_has_not_is_refused_as_there():
    error = refused("DetectPiiEntities", "fr")
    assert error.code == "UnsupportedLanguageException"
    assert error.message == (
        "DetectPiiEntities does not support the language code fr. Supported: en, es."
    )
    assert refused("DetectToxicContent", "es").message.endswith("Supported: en.")
    assert refused("DetectSyntax", "ja").message.endswith("language code ja. Supported: en.")
