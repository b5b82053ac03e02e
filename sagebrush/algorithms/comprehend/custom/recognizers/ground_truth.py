"""Documents annotated by SageMaker Ground Truth: augmented manifests, of plain text or of PDF pages.

A manifest is JSON Lines. Of plain text a line holds the document (`source`) and, below the names of
labelling jobs, its entities. Of PDF files (SEMI_STRUCTURED_DOCUMENT) a line names a file for the page, which
holds the lines that were read of it and, by these lines, its entities; the PDF itself is not read again.

https://docs.aws.amazon.com/comprehend/latest/dg/cer-annotation-manifest.html and the schema in
aws-samples/amazon-comprehend-examples (`semi_structured/entity_recognizer/annotation_model.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ... import documents, failures
from ...failures import JobFailed
from ...storage import Found, Storage, located
from . import inputs
from .annotated import Annotated, Mention, Place, Sets, annotated, too_large
from .annotations import CORPUS, DOCUMENT

PDF = "SEMI_STRUCTURED_DOCUMENT"
PAGE, PAGES = 5 << 20, 1 << 30
"""Bytes of a file of annotations of a page, and of all of them (guidelines and quotas)."""
MANIFEST = 64 << 20
"""Bytes of a line of a manifest, which JSON may have made longer than its document."""
_OBJECT = re.compile(r"s3://[a-z0-9][.\-a-z0-9]{0,62}/[^\ud800-\udfff]+\Z")
"""The S3 URI of an object; a client that is asked for anything else fails by itself, as if nobody answered."""


def read(storage: Storage, data: Mapping[str, Any], types: Collection[str]) -> Sets:
    """The documents of the manifests of an InputDataConfig, with their entities of these types. Raises
    JobFailed."""
    train: list[Annotated] = []
    test: list[Annotated] = []
    for manifest in data["AugmentedManifests"]:
        told = _pages if manifest.get("DocumentType") == PDF else _texts
        chosen = test if manifest.get("Split") == "TEST" else train
        chosen += told(storage, manifest, types)
    return Sets(train, test or None)


def is_pdf(data: Mapping[str, Any]) -> bool:
    """Whether any manifest is of PDF files."""
    manifests = data.get("AugmentedManifests") or ()
    return any(each.get("DocumentType") == PDF for each in manifests)


def _lines(storage: Storage, uri: str) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """The lines of a manifest, each with its place. Raises JobFailed."""
    bucket, found = inputs.files(storage, uri)
    if sum(each.size for each in found) > 2 * PAGES:
        raise failures.too_much("bytes", 2 * PAGES)
    for each in found:
        file = inputs.name(uri, each.key)
        blocks = storage.blocks(bucket, each)
        for number, line in enumerate(documents.lines(blocks, MANIFEST)):
            place = Place(file, number)
            if line.body is None:
                raise too_large(place, MANIFEST)
            if not line.body.strip():
                continue
            try:
                told = json.loads(line.body.decode("utf-8-sig"))
            except (ValueError, RecursionError):  # UnicodeDecodeError too
                raise _unread(place) from None
            if not isinstance(told, dict):
                raise _unread(place)
            yield place, told


def _unread(place: Place) -> JobFailed:
    return JobFailed(
        "An augmented manifest file in your request is an invalid JSON lines file. Amazon Comprehend is"
        f" unable to parse line {place.line} in the file {place.file}. Correct the file and try again."
    )


def _texts(
    storage: Storage, manifest: Mapping[str, Any], types: Collection[str]
) -> Iterator[Annotated]:
    total = 0
    for place, told in _lines(storage, manifest["S3Uri"]):
        text = told.get("source")
        if not isinstance(text, str):
            raise _unread(place)
        size = len(text.encode("utf-8", "surrogatepass"))
        total += size
        if size > DOCUMENT:
            raise too_large(place, DOCUMENT)
        if total > CORPUS:
            raise failures.too_much("bytes", CORPUS)
        if text.strip():
            mentions = entities(place, told, manifest["AttributeNames"], types)
            yield annotated(place, documents.whole(text), mentions)


def entities(
    place: Place, told: Mapping[str, Any], names: Sequence[str], types: Collection[str]
) -> list[Mention]:
    """The entities of these types that the labelling jobs found in a line of a manifest. Raises JobFailed
    where the line has the result of none of the jobs, or of another kind of job."""
    jobs = [told[name] for name in names if name in told]
    if not jobs:
        raise _unread(place)
    try:
        return [
            Mention(int(each["startOffset"]), int(each["endOffset"]), str(each["label"]))
            for job in jobs
            for each in job["annotations"]["entities"]
            if each["label"] in types
        ]
    except (
        KeyError,
        TypeError,
        ValueError,
        OverflowError,
    ):  # JSON of Python's has infinite numbers
        raise _unread(place) from None


def _pages(
    storage: Storage, manifest: Mapping[str, Any], types: Collection[str]
) -> Iterator[Annotated]:
    held: dict[tuple[str, str], Found] = {}
    if prefix := manifest.get("AnnotationDataS3Uri"):
        bucket, found = inputs.files(storage, prefix)
        held = {(bucket, each.key): each for each in found}
    total = 0
    for place, told in _lines(storage, manifest["S3Uri"]):
        bucket, key = located(_reference(place, told, manifest["AttributeNames"]))
        file = Place(key.rpartition("/")[2])
        found = held.get((bucket, key)) or _object(storage, bucket, key)
        total += found.size
        if found.size > PAGE:
            raise too_large(file, PAGE)
        if total > PAGES:
            raise failures.too_much("bytes", PAGES)
        document = page(file, inputs.content(storage, bucket, found), types)
        if document.text.strip():
            yield document


def _object(storage: Storage, bucket: str, key: str) -> Found:
    found = storage.found(bucket, key)
    if found is None:
        raise JobFailed(failures.NOTHING)
    return found


def _reference(place: Place, told: Mapping[str, Any], names: Sequence[str]) -> str:
    """The S3 URI of the file that a labelling job made of the page. Raises JobFailed."""
    for name in names:
        job = told.get(name)
        reference = job.get("annotation-ref") if isinstance(job, dict) else None
        if isinstance(reference, str) and _OBJECT.match(reference):
            return reference
    raise _unread(place)


def page(place: Place, content: str, types: Collection[str]) -> Annotated:
    """The text of a page, line by line, with its entities of these types. An entity of several lines is
    one where these follow each other, else the part in its first line. Raises JobFailed."""
    try:
        told = json.loads(content)
        lines = [each for each in told["Blocks"] if each["BlockType"] == "LINE"]
        begins: dict[str, int] = {}
        at = 0
        for each in lines:
            begins[each["Id"]] = at
            at += len(each["Text"]) + 1
        text = "\n".join(each["Text"] for each in lines)
        order = {each["Id"]: number for number, each in enumerate(lines)}
        mentions = []
        for entity in told["Entities"]:
            if entity["Type"] in types and entity.get("BlockReferences"):
                first, *others = entity["BlockReferences"]
                begin = begins[first["BlockId"]] + first["BeginOffset"]
                end = begins[first["BlockId"]] + first["EndOffset"]
                last = order[first["BlockId"]]
                for each in others:
                    if order[each["BlockId"]] != last + 1:
                        break
                    last += 1
                    end = begins[each["BlockId"]] + each["EndOffset"]
                mentions.append(Mention(int(begin), int(end), entity["Type"]))
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        raise JobFailed(
            f"INVALID_ANNOTATION: The annotations {place} are not in the format of Amazon Comprehend's"
            " annotation tool for PDF documents."
        ) from None
    return annotated(place, documents.whole(text), mentions)
