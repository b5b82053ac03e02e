"""Listing a bucket's keys: ListObjects, ListObjectsV2, ListObjectVersions."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial, wraps
from urllib.parse import quote

from sagebrush.errors import AwsError, Doc
from sagebrush.samples.remote import Unreached
from sagebrush.services.s3 import bodies, metadata, names, sample_buckets, samples
from sagebrush.store import catalog
from sagebrush.store.catalog import Bucket, Object, Reader
from sagebrush.world import Ctx

_CHUNK = 1000
"""Rows that one scan reads at most; the first scan after a common prefix reads few."""


@dataclass(frozen=True)
class Page:
    """A page of a listing in key order: objects and common prefixes; `last` is where it ends."""

    objects: list[Object]
    prefixes: list[str]
    truncated: bool
    last: str


def after_prefix(prefix: str) -> str | None:
    """The least string greater than every string that begins with `prefix`; None if there is none.

    In the order of code points, which is that of UTF-8 bytes. Surrogates have no UTF-8 form.
    """
    while prefix:
        point = ord(prefix[-1]) + 1
        if 0xD800 <= point <= 0xDFFF:
            point = 0xE000
        if point <= 0x10FFFF:
            return prefix[:-1] + chr(point)
        prefix = prefix[:-1]
    return None


def walk(
    tables: Reader, bucket_id: int, prefix: str, delimiter: str, after: str
) -> Iterator[Object | str]:
    """Objects and common prefixes after `after`, in order, found by scans of key ranges.

    A common prefix is skipped in one step, however many keys it holds.
    """
    low, high = max(prefix, after), after_prefix(prefix)
    passed = after
    if delimiter and after.startswith(prefix):
        at = after.find(delimiter, len(prefix))
        if at >= 0 and at + len(delimiter) == len(after):
            low = after_prefix(after) or after  # `after` is itself a common prefix: skip it
    ask = 16 if delimiter else _CHUNK
    while True:
        rows = catalog.scan(tables, bucket_id, low, high, ask)
        skipped = False
        for found in rows:
            at = found.key.find(delimiter, len(prefix)) if delimiter else -1
            if at < 0:
                if found.key > passed:
                    yield found
                continue
            common = found.key[: at + len(delimiter)]
            if common > passed:
                yield common
            beyond = after_prefix(common)
            if beyond is None:
                return
            low, skipped, ask = beyond, True, 16
            break
        if not skipped:
            if len(rows) < ask:
                return
            low, ask = rows[-1].key + "\0", min(2 * ask, _CHUNK)


def page(ctx: Ctx, bucket: Bucket, request: Doc, after: str, most: int) -> Page:
    """The page that begins after the key or common prefix `after`, of at most `most` entries.

    Of a public sample bucket it has what AWS lists and what is here; where AWS cannot be reached,
    what is here alone. Raises NoSuchKey (404) where that is nothing.
    """
    here = _page(ctx, bucket, request, after, most)
    if not sample_buckets.is_sample(bucket) or most == 0:
        return here
    why = sample_buckets.OFF
    try:
        there = samples.listed(ctx, bucket, request, after, most)
        if there is not None:
            remote = [
                Object(bucket.id, k, o.size, o.etag, o.modified, o.storage)
                for k, o in there.objects
            ]
            return _merged(here, _read(remote, there.prefixes, there.truncated), most)
    except Unreached as error:
        why = str(error)
    except AwsError as error:
        if error.status != 403 or not (here.objects or here.prefixes):
            raise  # a bucket that is read by anyone need not be listed by anyone
    if here.objects or here.prefixes or after or sample_buckets.seeding(ctx):
        return here
    raise samples.unread(ctx, bucket, request.get("Prefix", ""), why)


def _read(objects: list[Object], prefixes: Sequence[str], truncated: bool) -> Page:
    """AWS's page; it ends with its last entry."""
    last = max([*prefixes[-1:], *(o.key for o in objects[-1:])], default="")
    return Page(objects, list(prefixes), truncated and bool(last), last)


def _merged(here: Page, there: Page, most: int) -> Page:
    """The first `most` entries of both pages, as far as both know; what is here counts where both
    have it."""
    entries: dict[str, Object | None] = dict.fromkeys([*there.prefixes, *here.prefixes])
    for side in (there, here):
        entries.update((o.key, o) for o in side.objects)
    ends = [side.last for side in (here, there) if side.truncated]
    known = sorted(name for name in entries if not ends or name <= min(ends))
    shown = known[:most]
    return Page(
        [found for name in shown if (found := entries[name]) is not None],
        [name for name in shown if entries[name] is None],
        bool(ends) or len(known) > most,
        shown[-1] if shown else here.last,
    )


def _page(ctx: Ctx, bucket: Bucket, request: Doc, after: str, most: int) -> Page:
    """The page of what is in this store."""
    objects: list[Object] = []
    prefixes: list[str] = []
    last = after
    if most == 0:
        return Page(objects, prefixes, False, last)
    prefix, delimiter = request.get("Prefix", ""), request.get("Delimiter", "")
    for entry in walk(names.reader(ctx), bucket.id, prefix, delimiter, after):
        if len(objects) + len(prefixes) == most:
            return Page(objects, prefixes, True, last)
        if isinstance(entry, str):
            prefixes.append(entry)
            last = entry
        else:
            objects.append(entry)
            last = entry.key
    return Page(objects, prefixes, False, last)


def _most(request: Doc) -> int:
    """The page's maximal number of entries. Raises InvalidArgument (400) when negative."""
    asked = request.get("MaxKeys", 1000)
    names.check_count("maxKeys", asked)
    return min(asked, 1000)


def coded(request: Doc, text: str) -> str:
    """`text` percent-encoded where the request says `encoding-type=url`."""
    if request.get("EncodingType") == "url":
        return quote(text, safe="/*-._")
    return text


def _checked(request: Doc) -> None:
    if request.get("EncodingType", "url") != "url":
        raise AwsError(
            "InvalidArgument", "Invalid Encoding Method specified in Request",
            ArgumentName="encoding-type", ArgumentValue=request["EncodingType"],
        )  # fmt: skip
    for name in ("Prefix", "Delimiter", "Marker", "StartAfter", "KeyMarker"):
        names.checked_key(request.get(name, ""))


def _common(request: Doc, found: Page) -> Doc:
    """The members that every kind of listing has."""
    result: Doc = {
        "Name": request["Bucket"],
        "Prefix": coded(request, request.get("Prefix", "")),
        "MaxKeys": _most(request),
        "IsTruncated": found.truncated,
    }
    if request.get("Delimiter"):
        result["Delimiter"] = coded(request, request["Delimiter"])
    if "EncodingType" in request:
        result["EncodingType"] = request["EncodingType"]
    if found.prefixes:
        result["CommonPrefixes"] = [{"Prefix": coded(request, p)} for p in found.prefixes]
    return result


def _entry(request: Doc, found: Object) -> Doc:
    entry: Doc = {
        "Key": coded(request, found.key),
        "LastModified": metadata.time(found.modified),
        "ETag": bodies.quoted(found.etag),
        "Size": found.size,
        "StorageClass": found.storage,
    }
    if found.checksum is not None:
        entry["ChecksumAlgorithm"] = [found.checksum.algorithm]
        entry["ChecksumType"] = found.checksum.type
    return entry


Listing = Callable[[Ctx, Doc], Doc]


def _beside(listing: Listing) -> Callable[[Ctx, Doc], Doc | Future[Doc]]:
    """`listing`, where AWS may be asked in a thread of its own: the threads of requests do not wait
    for it."""

    @wraps(listing)
    def run(ctx: Ctx, request: Doc) -> Doc | Future[Doc]:
        if not samples.asks(ctx, request["Bucket"]):
            return listing(ctx, request)
        return ctx.world.samples.ask(partial(listing, ctx, request))

    return run


@_beside
def list_objects(ctx: Ctx, request: Doc) -> Doc:
    """A page of keys after `Marker`. `NextMarker` is given with a delimiter only, as in S3."""
    bucket = names.bucket_of(ctx, request, reads=True)
    _checked(request)
    marker = request.get("Marker", "")
    found = page(ctx, bucket, request, marker, _most(request))
    result = _common(request, found)
    result["Marker"] = coded(request, marker)
    person = names.owner(bucket.account)
    result["Contents"] = [{**_entry(request, o), "Owner": person} for o in found.objects]
    if found.truncated and request.get("Delimiter"):
        result["NextMarker"] = coded(request, found.last)
    return result


@_beside
def list_objects_v2(ctx: Ctx, request: Doc) -> Doc:
    """A page of keys after `ContinuationToken`, or after `StartAfter`."""
    bucket = names.bucket_of(ctx, request, reads=True)
    _checked(request)
    token, start = request.get("ContinuationToken"), request.get("StartAfter", "")
    after = start if token is None else _untoken(token)
    found = page(ctx, bucket, request, after, _most(request))
    result = _common(request, found)
    result["KeyCount"] = len(found.objects) + len(found.prefixes)
    owner: Doc = {"Owner": names.owner(bucket.account)} if request.get("FetchOwner") else {}
    result["Contents"] = [{**_entry(request, o), **owner} for o in found.objects]
    if token is not None:
        result["ContinuationToken"] = token
    elif start:
        result["StartAfter"] = coded(request, start)
    if found.truncated:
        result["NextContinuationToken"] = _token(found.last)
    return result


def _token(last: str) -> str:
    return "1" + base64.urlsafe_b64encode(last.encode()).decode()


def _untoken(token: str) -> str:
    try:
        if not token.startswith("1"):
            raise ValueError(token)
        return base64.b64decode(token[1:].encode(), altchars=b"-_", validate=True).decode()
    except ValueError as error:
        raise AwsError(
            "InvalidArgument", "The continuation token provided is incorrect",
            ArgumentName="continuation-token", ArgumentValue=token,
        ) from error  # fmt: skip


@_beside
def list_object_versions(ctx: Ctx, request: Doc) -> Doc:
    """A page of objects after `KeyMarker`, each in its only version, `null`."""
    bucket = names.bucket_of(ctx, request, reads=True)
    _checked(request)
    marker = request.get("KeyMarker", "")
    if "VersionIdMarker" in request and not (marker and request["VersionIdMarker"]):
        wrong = "empty." if marker else "specified without a key marker."
        raise AwsError(
            "InvalidArgument", f"A version-id marker cannot be {wrong}",
            ArgumentName="version-id-marker", ArgumentValue=request["VersionIdMarker"],
        )  # fmt: skip
    found = page(ctx, bucket, request, marker, _most(request))
    result = _common(request, found)
    result["KeyMarker"] = coded(request, marker)
    result["VersionIdMarker"] = request.get("VersionIdMarker", "")
    owner = names.owner(bucket.account)
    result["Versions"] = [
        {**_entry(request, o), "Owner": owner, "VersionId": "null", "IsLatest": True}
        for o in found.objects
    ]
    if found.truncated:
        result["NextKeyMarker"] = coded(request, found.last)
        if found.last not in found.prefixes[-1:]:
            result["NextVersionIdMarker"] = "null"
    return result
