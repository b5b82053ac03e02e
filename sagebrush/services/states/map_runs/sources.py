"""Where the items of a map run come from: the state's input, or S3, read as they are needed.

Source: Step Functions developer guide, "ItemReader (Map)"; the shape of listed objects as that page has
it (`Etag`, LastModified in seconds).
"""

from __future__ import annotations

import itertools
import random
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sagebrush.asl.machine import State
from sagebrush.asl.map_runs import child_inputs, item_input, parts
from sagebrush.asl.values import read, write
from sagebrush.aws import models, scalars
from sagebrush.aws.shapes import input_of
from sagebrush.errors import AwsError, Doc
from sagebrush.services.states.map_runs import readers
from sagebrush.services.states.map_runs.readers import Unreadable
from sagebrush.services.states.tasks import names
from sagebrush.services.states.tasks.answers import error_of
from sagebrush.services.states.tasks.values import Unfit, request_of
from sagebrush.store.objects import Blob
from sagebrush.world import Ctx

READER_FAILED = "States.ItemReaderFailed"
PIECE = 1 << 20
"""Bytes that are unpacked at a time."""


class ReaderFailed(Exception):
    """The items cannot be read; the text is the cause."""


@dataclass
class Source:
    """The inputs of child executions, with how many items there were so far."""

    ctx: Ctx
    state: State
    spec: Doc
    now: float
    random: random.Random
    items: int = 0
    """Items that were read."""

    def inputs(self) -> Iterator[tuple[int, str]]:
        """(how many items, the input as text) of each child execution. Raises ReaderFailed, and
        StateError where a selector cannot be evaluated."""
        for count, value in child_inputs(self.spec, self._selected()):
            yield count, write(value)

    def _selected(self) -> Iterator[Any]:
        reader = self.spec["reader"]
        found = parts(self.spec["items"]) if reader is None else self._read(reader)
        for index, part in enumerate(found):
            self.items = index + 1
            item = {"Index": index, **part}
            yield item_input(self.state, self.spec, item, self.now, self.random)

    def _read(self, reader: Doc) -> Iterator[Doc]:
        config: Doc = reader.get("ReaderConfig") or {}
        most = int(config.get("MaxItems") or 0)
        try:
            found = _items(self.ctx, reader, config)
            yield from itertools.islice(found, most) if most else found
        except Unreadable as problem:
            raise ReaderFailed(str(problem)) from None
        except Unfit as problem:
            raise ReaderFailed(str(problem)) from None
        except AwsError as error:
            resource = names.s3_resource(reader["Resource"])
            raise ReaderFailed(error_of(resource, error, self.ctx.request_id)[1]) from None


def _uri(place: Doc) -> str:
    """The S3 URI of a bucket or an object, written as the guide writes it."""
    return f"S3://{place.get('Bucket', '')}" + (f"/{place['Key']}" if "Key" in place else "")


def _items(ctx: Ctx, reader: Doc, config: Doc) -> Iterator[Doc]:
    """Value and Source of each item."""
    given = reader.get("Parameters")
    if str(reader["Resource"]).endswith(":listObjectsV2"):
        listed = _request("ListObjectsV2", given)
        found, place = _listed(ctx, listed), {"Bucket": listed.get("Bucket", "")}
        if config.get("Transformation") != "LOAD_AND_FLATTEN":
            return _from(place, found)
        # what stands for a folder holds nothing
        full = (one["Key"] for one in found if not (one["Size"] == 0 and one["Key"].endswith("/")))
        return _of_files(ctx, ({**place, "Key": key} for key in full), config)
    request = _request("GetObject", given)
    if config.get("ManifestType") == "ATHENA_DATA":
        return _of_files(ctx, readers.athena(_content(ctx, request)), config)
    if config.get("InputType") == "MANIFEST" or config.get("ManifestType") == "S3_INVENTORY":
        return _from(request, _inventoried(ctx, request))
    return _of_files(ctx, (request,), config)


def _from(place: Doc, values: Iterable[Any]) -> Iterator[Doc]:
    uri = _uri(place)
    return ({"Value": value, "Source": uri} for value in values)


def _of_files(ctx: Ctx, requests: Iterable[Doc], config: Doc) -> Iterator[Doc]:
    """The items in each of the objects (Bucket, Key), one after the other."""
    for one in requests:
        yield from _from(one, readers.items(_content(ctx, one), config))


def _request(operation: str, given: Any) -> Doc:
    model = models.operation("s3", operation)
    assert model is not None
    return request_of(input_of(model), given, names.optimised_member)


def _listed(ctx: Ctx, request: Doc) -> Iterator[Doc]:
    """The objects of a bucket, page by page."""
    while True:
        page = ctx.call("s3", "ListObjectsV2", request)
        for found in page.get("Contents") or ():
            yield {
                "Etag": found["ETag"],
                "Key": found["Key"],
                "LastModified": int(scalars.moment(found["LastModified"]).timestamp()),
                "Size": found["Size"],
                "StorageClass": found.get("StorageClass", "STANDARD"),
            }
        if not page.get("IsTruncated"):
            return
        request = {**request, "ContinuationToken": page["NextContinuationToken"]}


def _content(ctx: Ctx, request: Doc) -> Iterator[bytes]:
    """The bytes of an object, unpacked where its name says that it is packed. Raises Unreadable."""
    if str(request.get("Key", "")).endswith((".zst", ".zstd")):
        raise Unreadable("Sagebrush does not unpack ZSTD files")
    blob: Blob = ctx.call("s3", "GetObject", request)["Body"]
    try:
        packed = str(request.get("Key", "")).endswith(".gz")
        yield from unpacked(blob.chunks()) if packed else blob.chunks()
    finally:
        blob.release()


def unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes that a file of gzip members holds, in pieces of bounded size. Raises Unreadable."""
    unpacker, begun = zlib.decompressobj(wbits=31), False
    try:
        for chunk in chunks:
            left = chunk
            while left:
                if unpacker.eof:
                    left = left.lstrip(
                        b"\0"
                    )  # padding between members (RFC 1952 has none; gzip takes it)
                    if not left:
                        break
                    unpacker, begun = zlib.decompressobj(wbits=31), False
                yield unpacker.decompress(left, PIECE)
                begun = True
                left = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    except zlib.error as error:
        raise Unreadable(f"The file is not packed as its name says: {error}") from None
    if begun and not unpacker.eof:
        raise Unreadable("The file is not packed as its name says: it ends too soon")


def _inventoried(ctx: Ctx, request: Doc) -> Iterator[Doc]:
    """The objects that an S3 inventory lists."""
    try:
        found = read("".join(readers.texts(_content(ctx, request))))
    except ValueError as error:
        raise Unreadable(f"The manifest is not valid JSON: {error}") from None
    bucket, keys, columns = readers.inventory(found)
    for key in keys:
        yield from readers.inventoried(_content(ctx, {"Bucket": bucket, "Key": key}), columns)
