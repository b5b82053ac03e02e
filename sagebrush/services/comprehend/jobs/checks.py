"""What the Start operations of asynchronous jobs check beyond the model's constraints.

Source: Amazon Comprehend API reference and developer guide; where AWS's wording is not known, it is
Sagebrush's.
"""

from __future__ import annotations

from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import arns, kms_keys, languages
from sagebrush.services.comprehend.jobs import families
from sagebrush.services.comprehend.jobs.families import Family
from sagebrush.services.comprehend.requests import refuse
from sagebrush.world import Ctx

LINE, FILE = "ONE_DOC_PER_LINE", "ONE_DOC_PER_FILE"
TOPICS = 10
"""Topics of a job that names no number."""


def defaults(family: Family, request: Doc) -> Doc:
    """The request with the members that AWS fills in where they are absent."""
    given = {"InputFormat": LINE, **request["InputDataConfig"]}
    more: Doc = {"NumberOfTopics": TOPICS} if family is families.TOPICS else {}
    return {**more, **request, "InputDataConfig": given}


def check(ctx: Ctx, family: Family, request: Doc) -> None:
    """Returns for a request that can be carried out.

    Raises InvalidRequestException, KmsKeyValidationException and ResourceNotFoundException (400).
    """
    kms_keys.check(request.get("VolumeKmsKeyId"))
    kms_keys.check(request["OutputDataConfig"].get("KmsKeyId"), aliases=True)
    _reader(request["InputDataConfig"].get("DocumentReaderConfig"))
    custom = _custom(ctx, family, request)
    if family.language and not custom:
        _language(family.task, request["LanguageCode"])
    if family is families.PII:
        _redaction(request)


def _reader(config: Doc | None) -> None:
    """How text is read from pages is kept; it applies to custom models alone."""
    config = config or {}
    whole = config.get("DocumentReadAction") == "TEXTRACT_ANALYZE_DOCUMENT"
    if whole and not config.get("FeatureTypes"):
        refuse("FeatureTypes must be given where DocumentReadAction is TEXTRACT_ANALYZE_DOCUMENT.")


def _language(task: str, code: str) -> None:
    try:
        languages.check(task, code)
    except AwsError as error:  # jobs have no error of their own for it
        refuse(error.message)


def _redaction(request: Doc) -> None:
    types = request.get("RedactionConfig", {}).get("PiiEntityTypes")
    if request["Mode"] == "ONLY_REDACTION" and not types:
        refuse("RedactionConfig with PiiEntityTypes must be given where Mode is ONLY_REDACTION.")


def _custom(ctx: Ctx, family: Family, request: Doc) -> bool:
    """Whether the job uses a custom model. Raises ResourceNotFoundException for one that there is
    not."""
    members = [member for member in family.members if member.endswith("Arn")]
    named = [request[member] for member in members if member in request]
    if len(named) > 1:
        refuse("Give the ARN of a model or of a flywheel, not of both.")
    if family is families.CLASSIFICATION and not named:
        refuse("DocumentClassifierArn or FlywheelArn must be given.")
    for arn in named:
        arns.require(ctx, arn)
    return bool(named)
