"""What the Start operations of asynchronous jobs check beyond the model's constraints.

Source: Amazon Comprehend API reference and developer guide; where AWS's wording is not known, it is
Sagebrush's.
"""

from __future__ import annotations

from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import kms_keys, languages, readers
from sagebrush.services.comprehend.jobs import families
from sagebrush.services.comprehend.jobs.families import Family
from sagebrush.services.comprehend.requests import refuse
from sagebrush.services.comprehend.training import usable
from sagebrush.services.comprehend.training.usable import Trained
from sagebrush.world import Ctx

MODELS = {
    "DocumentClassifierArn": "document-classifier",
    "EntityRecognizerArn": "entity-recognizer",
}
"""Member that names a job's custom model -> the type of the model."""
MEMBERS = {kind: member for member, kind in MODELS.items()}
LINE, FILE = "ONE_DOC_PER_LINE", "ONE_DOC_PER_FILE"
TOPICS = 10
"""Topics of a job that names no number."""


def defaults(family: Family, request: Doc) -> Doc:
    """The request with the members that AWS fills in where they are absent."""
    given = {"InputFormat": LINE, **request["InputDataConfig"]}
    more: Doc = {"NumberOfTopics": TOPICS} if family is families.TOPICS else {}
    return {**more, **request, "InputDataConfig": given}


def check(ctx: Ctx, family: Family, request: Doc) -> Trained | None:
    """The custom model of a request that can be carried out; None where it uses none.

    Raises InvalidRequestException, KmsKeyValidationException, ResourceNotFoundException and
    ResourceUnavailableException.
    """
    kms_keys.check(request.get("VolumeKmsKeyId"))
    kms_keys.check(request["OutputDataConfig"].get("KmsKeyId"), aliases=True)
    readers.check(request["InputDataConfig"].get("DocumentReaderConfig"))
    model = _custom(ctx, family, request)
    if model is not None:
        readers.require_offered(request["InputDataConfig"].get("DocumentReaderConfig"))
    elif family.language:
        _language(family.task, request["LanguageCode"])
    if family is families.PII:
        _redaction(request)
    return model


def _language(task: str, code: str) -> None:
    try:
        languages.check(task, code)
    except AwsError as error:  # jobs have no error of their own for it
        refuse(error.message)


def _redaction(request: Doc) -> None:
    types = request.get("RedactionConfig", {}).get("PiiEntityTypes")
    if request["Mode"] == "ONLY_REDACTION" and not types:
        refuse("RedactionConfig with PiiEntityTypes must be given where Mode is ONLY_REDACTION.")


def _custom(ctx: Ctx, family: Family, request: Doc) -> Trained | None:
    """The custom model that the job uses. Raises ResourceNotFoundException for one that there is not,
    ResourceUnavailableException for one that is not trained, and InvalidRequestException."""
    member = next((each for each in family.members if each in MODELS), None)
    if member is None:
        return None
    model = usable.of_request(ctx, request, member)
    if model is None and family is families.CLASSIFICATION:
        refuse("DocumentClassifierArn or FlywheelArn must be given.")
    if model is not None and model.kind != MODELS[member]:
        refuse(f"A model of type {model.kind} does not answer {family.task}.")
    return model
