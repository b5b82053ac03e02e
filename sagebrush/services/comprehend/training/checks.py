"""What the Create operations of custom models check beyond the model's constraints.

Source: Amazon Comprehend API reference and developer guide, "Guidelines and quotas" and "Preparing
training data"; where AWS's wording is not known, it is Sagebrush's.
"""

from __future__ import annotations

from collections.abc import Sequence

from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import kms_keys, languages, readers
from sagebrush.services.comprehend.requests import refuse
from sagebrush.services.comprehend.training import families
from sagebrush.services.comprehend.training.families import Family

CSV, MANIFEST = "COMPREHEND_CSV", "AUGMENTED_MANIFEST"
PLAIN, PAGES = "PLAIN_TEXT_DOCUMENT", "SEMI_STRUCTURED_DOCUMENT"
LANGUAGES = ("de", "en", "es", "fr", "it", "pt")
"""What custom models read (developer guide, "Languages supported in Amazon Comprehend")."""
MANIFESTS, ATTRIBUTES, ATTRIBUTE = 5, 5, 63
"""Augmented manifests of a model, attribute names of one, and characters of such a name."""
TYPES = 25
"""Entity types of a recognizer."""
ESCAPED = ("\\n", "\\r", "\\t")
"""What no entity type has in it (API reference, EntityTypesListItem), beside what the model forbids."""


def defaults(family: Family, request: Doc) -> Doc:
    """The request with the members that AWS fills in where they are absent."""
    given = {"DataFormat": CSV, **request["InputDataConfig"]}
    more: Doc = {}
    if family is families.CLASSIFIER:
        given = {"DocumentType": PLAIN, **given}
        more = {"Mode": "MULTI_CLASS"}
    elif "Documents" in given:
        given["Documents"] = {"InputFormat": "ONE_DOC_PER_LINE", **given["Documents"]}
    return {**more, **request, "InputDataConfig": given}


def check(family: Family, request: Doc) -> None:
    """Returns for a request, with its defaults, that can be carried out.

    Raises InvalidRequestException, KmsKeyValidationException and UnsupportedLanguageException (400).
    """
    kms_keys.check(request.get("VolumeKmsKeyId"))
    kms_keys.check(request.get("ModelKmsKeyId"))
    kms_keys.check(request.get("OutputDataConfig", {}).get("KmsKeyId"), aliases=True)
    _language(family, request["LanguageCode"])
    config = request["InputDataConfig"]
    _manifests(config)
    if family is families.CLASSIFIER:
        _classifier(config, request["Mode"])
    else:
        _recognizer(config)


def _language(family: Family, code: str) -> None:
    if code not in LANGUAGES:
        named = languages.NAMES.get(code, code)
        raise AwsError(
            "UnsupportedLanguageException",
            f"A custom {family.label} cannot be trained for {named}. Supported language codes:"
            f" {', '.join(LANGUAGES)}.",
        )


def _manifests(config: Doc) -> None:
    """Augmented manifests are there where the data format is that, and nowhere else."""
    given = config.get("AugmentedManifests", ())
    if config["DataFormat"] != MANIFEST:
        if given:
            refuse(
                f"AugmentedManifests must not be given where DataFormat is {config['DataFormat']}."
            )
        return
    if not given:
        refuse(f"AugmentedManifests must be given where DataFormat is {MANIFEST}.")
    if len(given) > MANIFESTS:
        refuse(f"AugmentedManifests has {len(given)} files; the most is {MANIFESTS}.")
    if all(each.get("Split") == "TEST" for each in given):
        refuse("AugmentedManifests has no file to train with: every Split is TEST.")
    for each in given:
        attributes(each["AttributeNames"])


def attributes(names: Sequence[str]) -> None:
    """Returns for the AttributeNames that a manifest can have. Raises InvalidRequestException."""
    if not 1 <= len(names) <= ATTRIBUTES:
        refuse(f"AttributeNames must have 1 to {ATTRIBUTES} names.")
    if max(map(len, names)) > ATTRIBUTE:
        refuse(f"An attribute name must have at most {ATTRIBUTE} characters.")


def _classifier(config: Doc, mode: str) -> None:
    if "LabelDelimiter" in config and mode != "MULTI_LABEL":
        refuse(f"LabelDelimiter must not be given where Mode is {mode}.")
    if config["DataFormat"] == MANIFEST:
        _without(config, MANIFEST, ("S3Uri", "TestS3Uri", "Documents"))
    elif "S3Uri" not in config:
        refuse(f"S3Uri must be given where DataFormat is {CSV}.")
    documents = config.get("Documents")
    if config["DocumentType"] == PLAIN:
        for member in ("Documents", "DocumentReaderConfig"):
            if member in config:
                refuse(f"{member} must not be given where DocumentType is {PLAIN}.")
        return
    if documents is None:
        refuse(f"Documents must be given where DocumentType is {PAGES}.")
    if ("TestS3Uri" in config) != ("TestS3Uri" in documents):
        refuse(
            "TestS3Uri must be given both of the annotations and of the Documents, or of neither."
        )
    readers.check(config.get("DocumentReaderConfig"))
    readers.require_offered(config.get("DocumentReaderConfig"))


def _recognizer(config: Doc) -> None:
    entity_types([each["Type"] for each in config["EntityTypes"]])
    if config["DataFormat"] == MANIFEST:
        _without(config, MANIFEST, ("Documents", "Annotations", "EntityList"))
        return
    if "Documents" not in config:
        refuse(f"Documents must be given where DataFormat is {CSV}.")
    if ("Annotations" in config) == ("EntityList" in config):
        refuse("Either Annotations or EntityList must be given.")
    tests = [name for name in ("Documents", "Annotations") if "TestS3Uri" in config.get(name, {})]
    if len(tests) == 1:
        refuse("TestS3Uri must be given both of Documents and of Annotations, or of neither.")


def _without(config: Doc, data_format: str, members: Sequence[str]) -> None:
    for member in members:
        if member in config:
            refuse(f"{member} must not be given where DataFormat is {data_format}.")


def entity_types(names: Sequence[str]) -> None:
    """Returns for types that a recognizer can have. Raises InvalidRequestException."""
    if not 1 <= len(names) <= TYPES:
        refuse(f"EntityTypes must have 1 to {TYPES} types.")
    if len({*names}) < len(names):
        refuse("EntityTypes must be unique: a type is there twice.")
    for name in names:
        if any(each in name for each in ESCAPED):
            refuse("An entity type must have no escaped line break, carriage return or tab in it.")
        if not name.strip():
            refuse("An entity type must not be blank.")
