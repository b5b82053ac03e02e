"""What requests about flywheels may not say, beyond the model's constraints.

Source: Amazon Comprehend API reference and developer guide; where AWS's wording is not known, it is
Sagebrush's.
"""

from __future__ import annotations

from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import arns, kms_keys
from sagebrush.services.comprehend.flywheels import inputs
from sagebrush.services.comprehend.requests import refuse, unavailable
from sagebrush.services.comprehend.training import checks as models
from sagebrush.services.comprehend.training.families import TRAINED
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

LABELS = {"MULTI_CLASS": 1000, "MULTI_LABEL": 100}
"""Labels of a classifier at most, by its mode (developer guide, "Guidelines and quotas")."""


def security(config: Doc) -> None:
    """Raises KmsKeyValidationException for what names no key."""
    for member in ("ModelKmsKeyId", "VolumeKmsKeyId", "DataLakeKmsKeyId"):
        kms_keys.check(config.get(member))


def new(request: Doc) -> None:
    """Returns for a flywheel of an existing model, or of a new one. Raises InvalidRequestException."""
    members = [member for member in ("TaskConfig", "ModelType") if request.get(member)]
    if request.get("ActiveModelArn"):
        if members:
            refuse(f"Do not set {members[0]} where ActiveModelArn is given.")
        return
    if len(members) < 2:
        refuse("TaskConfig and ModelType must be given where ActiveModelArn is not.")
    _task(request["TaskConfig"], request["ModelType"])


def _task(config: Doc, model_type: str) -> None:
    wanted = "DocumentClassificationConfig"
    other = "EntityRecognitionConfig"
    if model_type == inputs.RECOGNIZER:
        wanted, other = other, wanted
    if not config.get(wanted) or config.get(other):
        refuse(f"TaskConfig must have {wanted}, and it alone, where ModelType is {model_type}.")
    if model_type == inputs.RECOGNIZER:
        models.entity_types(inputs.types_of(config))
        return
    labels, most = inputs.labels_of(config), LABELS[config[wanted]["Mode"]]
    if len(labels) > most or len({*labels}) < len(labels):
        refuse(f"Labels must be different, and {most} at most in mode {config[wanted]['Mode']}.")


def model(ctx: Ctx, arn: str) -> Row:
    """The row of a model that a flywheel may use.

    Raises ResourceNotFoundException, ResourceUnavailableException (404) for one that is not trained, and
    InvalidRequestException for one that no flywheel can go on from.
    """
    found = arns.require(ctx, arn)
    if found.status not in TRAINED:
        raise unavailable(f"The model is in status {found.status}, not trained.")
    data = found.doc.get("InputDataConfig") or {}
    if not data:
        refuse("The model was imported, and its training data are not known here.")
    manifests = data.get("AugmentedManifests") or ()
    if models.PAGES in (
        data.get("DocumentType"),
        *(each.get("DocumentType") for each in manifests),
    ):
        refuse("Flywheels support plain-text models only.")
    return found


def promoted(ctx: Ctx, flywheel: Row, arn: str) -> Row:
    """The row of a model that may be the flywheel's active one. Raises as `model`, and
    InvalidRequestException where its type or configuration is another (developer guide, "Update a
    flywheel")."""
    found = model(ctx, arn)
    if found.kind != inputs.KINDS[flywheel.doc["ModelType"]]:
        refuse("The model's type is not that of the flywheel.")
    task, own = inputs.task(found.doc, found.kind), flywheel.doc["TaskConfig"]
    differs = task["LanguageCode"] != own["LanguageCode"] or {*inputs.types_of(task)} != {
        *inputs.types_of(own)
    }
    if "DocumentClassificationConfig" in own:
        mode = task["DocumentClassificationConfig"]["Mode"]
        differs = differs or mode != own["DocumentClassificationConfig"]["Mode"]
    if differs:
        refuse("The model's configuration is not that of the flywheel.")
    return found


def dataset(flywheel: Row, request: Doc) -> None:
    """Returns for data that the flywheel's models can be trained or tested with. Raises
    InvalidRequestException."""
    config, of = request["InputDataConfig"], flywheel.doc["ModelType"]
    wanted, other = "DocumentClassifierInputDataConfig", "EntityRecognizerInputDataConfig"
    if of == inputs.RECOGNIZER:
        wanted, other = other, wanted
    manifest = (config.get("DataFormat") or inputs.CSV) == inputs.MANIFEST
    wanted, others = ("AugmentedManifests", (wanted, other)) if manifest else (
        wanted, ("AugmentedManifests", other),
    )  # fmt: skip
    form = config.get("DataFormat") or inputs.CSV
    if not config.get(wanted) or any(config.get(each) for each in others):
        refuse(
            f"InputDataConfig must have {wanted}, and it alone, where DataFormat is {form} and the"
            f" flywheel's ModelType is {of}."
        )
    if manifest:
        _manifests(config["AugmentedManifests"])
    elif of == inputs.RECOGNIZER:
        _annotated(config[wanted], request.get("DatasetType") or inputs.TRAIN)


def _manifests(given: list[Doc]) -> None:
    if len(given) > models.MANIFESTS:
        refuse(f"A data set has {models.MANIFESTS} augmented manifests at most.")
    for each in given:
        models.attributes(each["AttributeNames"])
    if any(each.get("DocumentType") == models.PAGES for each in given):
        refuse("Flywheels support plain-text documents only.")


def _annotated(config: Doc, part: str) -> None:
    given = [member for member in ("Annotations", "EntityList") if config.get(member)]
    if len(given) != 1:
        refuse("Either Annotations or EntityList must be given.")
    if part == inputs.TEST and given == ["EntityList"]:
        refuse("Test data need Annotations: an EntityList does not say what a document has.")


def language(code: str) -> None:
    """Returns for a language of custom models. Raises UnsupportedLanguageException."""
    if code not in models.LANGUAGES:
        words = f"Flywheels do not support the language code {code}. Supported: {', '.join(models.LANGUAGES)}."
        raise AwsError("UnsupportedLanguageException", words)
