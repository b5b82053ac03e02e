"""What Sagebrush itself puts into AWS's public buckets: JumpStart's catalogue, as far as it runs here.

The rows of a bucket are written when somebody first asks for it, and again where they are of another
version of Sagebrush.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from sagebrush.samples import table
from sagebrush.samples.jumpstart import objects as jumpstart
from sagebrush.samples.table import PublicBucket
from sagebrush.store import catalog
from sagebrush.store.catalog import Bucket, Checksum, Object, Outside
from sagebrush.store.db import Db, Tx
from sagebrush.store.objects import ObjectStore
from sagebrush.store.spool import Spooled

OURS, REFERENCE = "sagebrush", "reference"
"""Values of the metadata `sagebrush-source`: ours for good; what stands for a file until it is there."""
JSON, ARCHIVE = "application/json", "application/x-tar"


def source(found: Object | None) -> str:
    """Who put the object there: `added`, `generated`, OURS or REFERENCE; "" for AWS's own, or none."""
    return str(found.doc.get("meta", {}).get(table.SOURCE, "")) if found is not None else ""


def remove(tx: Tx, bucket: Bucket) -> None:
    """Nothing of ours is in the bucket."""
    for key in (*jumpstart.always(bucket.name), *jumpstart.references(bucket.name)):
        if source(catalog.find(tx, bucket.id, key)) in (OURS, REFERENCE):
            catalog.remove(tx, bucket.id, key)  # the next start's sweep takes its blobs


class Stock:
    """Keeps what is ours in the buckets that are asked for."""

    def __init__(
        self,
        db: Db,
        objects: ObjectStore,
        clock: Callable[[], float],
        made: Callable[[Tx, PublicBucket], Bucket],
    ) -> None:
        """`made`: the bucket's row, which it makes where there is none."""
        self._db, self._store, self._clock, self._made = db, objects, clock, made
        self._done: set[str] = set()

    def forget(self, name: str) -> None:
        """The bucket is looked through again when it is next asked for."""
        self._done.discard(name)

    def ensure(self, name: str, row: Bucket | None) -> Bucket | None:
        """The bucket, with what is ours in it; `row` where nothing of ours belongs there, or where a
        user made a bucket of the name."""
        known = table.find(name)
        if known is None or (
            row is not None and (row.account != table.OWNER or name in self._done)
        ):
            return row
        if not (always := jumpstart.always(name)):
            return row
        missing = self._missing(row, always, OURS)
        missing += self._missing(row, jumpstart.references(name), REFERENCE)
        found = self._db.write(lambda tx: self._made(tx, known)) if row is None else row
        if missing:
            self._put(known, missing)
        self._done.add(name)
        return found

    def _missing(
        self, row: Bucket | None, wanted: dict[str, bytes], kind: str
    ) -> list[tuple[str, bytes, str]]:
        """(key, bytes, kind) of what is not there as it should be. What others put where a reference
        would stand stays."""
        found, tables = list[tuple[str, bytes, str]](), Outside(self._db)
        for key, data in wanted.items():
            there = catalog.find(tables, row.id, key) if row is not None else None
            etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
            may = there is None or kind == OURS or source(there) == REFERENCE
            if may and (there is None or there.etag != etag):
                found.append((key, data, kind))
        return found

    def _put(self, known: PublicBucket, missing: list[tuple[str, bytes, str]]) -> None:
        bodies = [(key, kind, self._spooled(data)) for key, data, kind in missing]

        def change(tx: Tx) -> list[str]:
            bucket, freed = self._made(tx, known), list[str]()
            if bucket.account != table.OWNER:  # a user made it meanwhile
                return [body.path.name for _, _, body in bodies if body.path is not None]
            for key, kind, body in bodies:
                kept = catalog.find(tx, bucket.id, key)
                if kind == REFERENCE and kept is not None and source(kept) != REFERENCE:
                    continue  # somebody put the file there meanwhile
                freed += catalog.put(
                    tx, self._object(bucket, key, kind, body),
                    [body.segment()] if body.path is not None else [],
                )  # fmt: skip
            return freed

        try:
            self._store.discard(self._db.write(change))
        except BaseException:
            for _, _, body in bodies:
                self._store.drop(body)
            raise

    def _object(self, bucket: Bucket, key: str, kind: str, body: Spooled) -> Object:
        checksum = Checksum("CRC64NVME", body.checksums["CRC64NVME"])
        headers = {"ContentType": JSON if key.endswith(".json") else ARCHIVE}
        doc = {"headers": headers, "meta": {table.SOURCE: kind}}
        return Object(
            bucket.id, key, body.size, body.md5, self._clock(), "STANDARD", checksum, doc,
            data=body.data,
        )  # fmt: skip

    def _spooled(self, data: bytes) -> Spooled:
        writer = self._store.spool(("CRC64NVME",))
        try:
            if (wait := writer.write(data)) is not None:
                wait.result()
            return writer.finish()
        except BaseException:
            writer.abort()
            raise
