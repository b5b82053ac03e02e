"""The S3 tables: buckets, objects, uploads and parts, and which blobs their bytes are in.

Functions that change something take the transaction and answer the blobs that no row names any
more; the caller discards them after the commit.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sagebrush.store import rows as documents
from sagebrush.store.db import Db, Params, Tx
from sagebrush.store.spool import Segment

Doc = dict[str, Any]
KNOWN = 1024
"""Buckets that are kept in memory at most."""


class Reader(Protocol):
    """A transaction, or the database read outside one."""

    def all(self, sql: str, params: Params = ()) -> list[sqlite3.Row]: ...


class Outside:
    """Reads outside any transaction, with a transaction's method names."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def all(self, sql: str, params: Params = ()) -> list[sqlite3.Row]:
        """All rows that the SELECT answers."""
        return self._db.read(sql, params)


@dataclass(frozen=True)
class Bucket:
    """A bucket; `config` holds what the Put…Bucket… operations stored, by topic."""

    id: int
    account: str
    name: str
    region: str
    created: float
    config: Doc


@dataclass(frozen=True)
class Checksum:
    """An object's checksum as S3 reports it: `type` is FULL_OBJECT or COMPOSITE."""

    algorithm: str
    value: str
    type: str = "FULL_OBJECT"


@dataclass(frozen=True)
class Object:
    """An object. `etag` is unquoted. `doc`: `meta`, `headers`, `tags`, `parts` (their number)."""

    bucket: int
    key: str
    size: int
    etag: str
    modified: float
    storage: str = "STANDARD"
    checksum: Checksum | None = None
    doc: Doc = field(default_factory=dict)
    content: int | None = None
    data: bytes = b""
    id: int = 0


@dataclass(frozen=True)
class Upload:
    """A multipart upload that has begun; `doc` holds the future object's `doc` and checksum wish."""

    id: str
    bucket: int
    key: str
    created: float
    doc: Doc


@dataclass(frozen=True)
class Part:
    """One uploaded part; `checksums` maps algorithm to base64."""

    number: int
    size: int
    etag: str
    modified: float
    checksums: dict[str, str]
    content: int = 0


# ---- buckets


def bucket(reader: Reader, name: str) -> Bucket | None:
    """The bucket of that name, or None."""
    rows = reader.all("SELECT * FROM bucket WHERE name=?", (name,))
    return _bucket(rows[0]) if rows else None


def known_bucket(db: Db, name: str) -> Bucket | None:
    """As `bucket` outside any transaction, from memory while no bucket changes. Not to be changed:
    others have the same one."""
    kept = db.kept  # as it is before the row is read: see there
    found = kept.get(name)
    if found is None:
        found = bucket(Outside(db), name)
        if found is not None:
            if len(kept) >= KNOWN:
                kept.clear()
            kept[name] = found
    return found


def buckets(
    reader: Reader, account: str, prefix: str, after: str, limit: int, region: str | None = None
) -> list[Bucket]:
    """Up to `limit` buckets of the account, of one region or of all, whose name begins with
    `prefix` and follows `after`."""
    rows = reader.all(
        "SELECT * FROM bucket WHERE account=? AND name>? AND substr(name, 1, ?)=?"
        " AND region=coalesce(?, region) ORDER BY name LIMIT ?",
        (account, after, len(prefix), prefix, region, limit),
    )
    return [_bucket(row) for row in rows]


def add_bucket(tx: Tx, new: Bucket) -> None:
    """The bucket is there. Raises sqlite3.IntegrityError when the name is taken."""
    tx.outdates = True
    tx.run(
        "INSERT INTO bucket(account, name, region, created, config) VALUES(?,?,?,?,?)",
        (new.account, new.name, new.region, new.created, documents.dump(new.config)),
    )


def configure_bucket(tx: Tx, bucket_id: int, topic: str, value: Any) -> None:
    """The bucket's configuration of that topic is `value`; None removes it."""
    tx.outdates = True
    row = tx.one("SELECT config FROM bucket WHERE id=?", (bucket_id,))
    if row is not None:
        config = {**documents.parse(row["config"]), topic: value}
        config = {k: v for k, v in config.items() if v is not None}
        tx.run("UPDATE bucket SET config=? WHERE id=?", (documents.dump(config), bucket_id))


def remove_bucket(tx: Tx, bucket_id: int) -> list[str] | None:
    """The empty bucket is gone, its unfinished uploads with it; None when it holds objects.

    Raises LookupError where it was gone before.
    """
    tx.outdates = True
    if tx.one("SELECT 1 FROM object WHERE bucket=? LIMIT 1", (bucket_id,)):
        return None
    freed: list[str] = []
    for row in tx.all("SELECT id FROM upload WHERE bucket=?", (bucket_id,)):
        freed += remove_upload(tx, row["id"])
    if not tx.run("DELETE FROM bucket WHERE id=?", (bucket_id,)):
        raise LookupError(bucket_id)
    return freed


def _bucket(row: sqlite3.Row) -> Bucket:
    return Bucket(
        row["id"], row["account"], row["name"], row["region"], row["created"],
        documents.parse(row["config"]) if row["config"] != "{}" else {},
    )  # fmt: skip


# ---- objects

# Their documents hold plain JSON only; a ready encoder and decoder are three times quicker than
# the ones that `json.dumps` makes for every call with options.
_dump = json.JSONEncoder(separators=(",", ":")).encode
_parse = json.JSONDecoder().decode

_LISTED = "id, bucket, key, size, etag, modified, storage, algorithm, checksum, checksum_type"
_FOUND = f"{_LISTED}, doc, content"


def find(reader: Reader, bucket_id: int, key: str, *, data: bool = False) -> Object | None:
    """The object of that key, with its small body where `data`; None when there is none."""
    columns = f"{_FOUND}, data" if data else _FOUND
    rows = reader.all(f"SELECT {columns} FROM object WHERE bucket=? AND key=?", (bucket_id, key))
    return _object(rows[0]) if rows else None


def put(tx: Tx, new: Object, segments: Sequence[Segment] = ()) -> list[str]:
    """`new` is the object of its key, made of `segments` or else of its `data`; what that frees.

    Raises sqlite3.IntegrityError when the bucket is gone.
    """
    old = tx.one("SELECT content FROM object WHERE bucket=? AND key=?", (new.bucket, new.key))
    content = new.content
    if segments:
        content = add_content(tx, segments)
    check = new.checksum or Checksum("", "", "")
    tx.run(
        "INSERT INTO object(bucket, key, size, etag, modified, storage, algorithm, checksum,"
        " checksum_type, doc, content, data) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)"
        " ON CONFLICT(bucket, key) DO UPDATE SET size=excluded.size, etag=excluded.etag,"
        " modified=excluded.modified, storage=excluded.storage, algorithm=excluded.algorithm,"
        " checksum=excluded.checksum, checksum_type=excluded.checksum_type, doc=excluded.doc,"
        " content=excluded.content, data=excluded.data",
        (
            new.bucket, new.key, new.size, new.etag, new.modified, new.storage,
            check.algorithm or None, check.value or None, check.type or None, _dump(new.doc),
            content, new.data if content is None else None,
        ),
    )  # fmt: skip
    if old is None or old["content"] is None:
        return []
    return remove_content(tx, [old["content"]])


def update_doc(tx: Tx, object_id: int, doc: Doc) -> None:
    """The object's `doc` is this; nothing else changes."""
    tx.run("UPDATE object SET doc=? WHERE id=?", (_dump(doc), object_id))


def remove(tx: Tx, bucket_id: int, key: str) -> list[str]:
    """There is no object of that key; what that frees."""
    row = tx.one("DELETE FROM object WHERE bucket=? AND key=? RETURNING content", (bucket_id, key))
    if row is None or row["content"] is None:
        return []
    return remove_content(tx, [row["content"]])


def scan(reader: Reader, bucket_id: int, low: str, high: str | None, limit: int) -> list[Object]:
    """Up to `limit` objects with low <= key < high in UTF-8 byte order, without `doc` and bytes."""
    sql, params = f"SELECT {_LISTED} FROM object WHERE bucket=? AND key>=?", [bucket_id, low]
    if high is not None:
        sql += " AND key<?"
        params.append(high)
    return [_object(row) for row in reader.all(f"{sql} ORDER BY key LIMIT ?", [*params, limit])]


def _object(row: sqlite3.Row) -> Object:
    names = row.keys()
    checksum = None
    if row["algorithm"]:
        checksum = Checksum(row["algorithm"], row["checksum"], row["checksum_type"])
    return Object(
        row["bucket"], row["key"], row["size"], row["etag"], row["modified"], row["storage"],
        checksum,
        _parse(row["doc"]) if "doc" in names else {},
        row["content"] if "content" in names else None,
        (row["data"] or b"") if "data" in names else b"",
        row["id"],
    )  # fmt: skip


# ---- content


def add_content(tx: Tx, segments: Sequence[Segment]) -> int:
    """The id of a new content made of `segments` in order."""
    row = tx.one("INSERT INTO content DEFAULT VALUES RETURNING id")
    assert row is not None
    for n, s in enumerate(segments):
        tx.run(
            "INSERT INTO segment(content, n, size, blob, offset, data) VALUES(?,?,?,?,?,?)",
            (row["id"], n, s.size, s.blob, s.offset, s.data if s.blob is None else None),
        )
    return row["id"]


def segments_of(reader: Reader, content: int) -> list[Segment]:
    """What the content is made of, in order."""
    rows = reader.all(
        "SELECT size, blob, offset, data FROM segment WHERE content=? ORDER BY n", (content,)
    )
    return [Segment(r["size"], r["blob"], r["offset"], r["data"] or b"") for r in rows]


def cut(segments: Iterable[Segment], start: int, length: int) -> list[Segment]:
    """The pieces of `segments` that hold `length` bytes from `start`."""
    found, at = [], 0
    for s in segments:
        low, high = max(start, at), min(start + length, at + s.size)
        if low < high:
            skip, size = low - at, high - low
            data = s.data[skip : skip + size] if s.blob is None else b""
            found.append(Segment(size, s.blob, s.offset + skip if s.blob else 0, data))
        at += s.size
    return found


def remove_content(tx: Tx, contents: Sequence[int]) -> list[str]:
    """The contents are gone; the blobs that nothing uses any more."""
    blobs: set[str] = set()
    for content in contents:
        rows = tx.all(
            "SELECT DISTINCT blob FROM segment WHERE content=? AND blob IS NOT NULL", (content,)
        )
        blobs.update(r["blob"] for r in rows)
        tx.run("DELETE FROM content WHERE id=?", (content,))
    return [b for b in blobs if not tx.all("SELECT 1 FROM segment WHERE blob=? LIMIT 1", (b,))]


def live_blobs(reader: Reader, names: Sequence[str]) -> set[str]:
    """Which of the blobs some row names."""
    marks = ",".join("?" * len(names))
    rows = reader.all(f"SELECT DISTINCT blob FROM segment WHERE blob IN ({marks})", list(names))
    return {row["blob"] for row in rows}


# ---- multipart uploads


def add_upload(tx: Tx, new: Upload) -> None:
    """The upload has begun. Raises sqlite3.IntegrityError when the bucket is gone."""
    tx.run(
        "INSERT INTO upload(id, bucket, key, created, doc) VALUES(?,?,?,?,?)",
        (new.id, new.bucket, new.key, new.created, _dump(new.doc)),
    )


def upload(reader: Reader, bucket_id: int, key: str, upload_id: str) -> Upload | None:
    """The unfinished upload of that id for that key, or None."""
    rows = reader.all(
        "SELECT * FROM upload WHERE id=? AND bucket=? AND key=?", (upload_id, bucket_id, key)
    )
    return _upload(rows[0]) if rows else None


def uploads(
    reader: Reader, bucket_id: int, low: tuple[str, str], high: str | None, limit: int
) -> list[Upload]:
    """Up to `limit` unfinished uploads with (key, id) > `low` and key < `high`, in that order."""
    sql = "SELECT * FROM upload WHERE bucket=? AND (key, id) > (?, ?)"
    params: list[Any] = [bucket_id, *low]
    if high is not None:
        sql += " AND key<?"
        params.append(high)
    rows = reader.all(f"{sql} ORDER BY key, id LIMIT ?", [*params, limit])
    return [_upload(row) for row in rows]


def put_part(tx: Tx, upload_id: str, new: Part, segments: Sequence[Segment]) -> list[str]:
    """`new` is the part of its number; what the former one of that number frees."""
    old = tx.one(
        "DELETE FROM part WHERE upload=? AND number=? RETURNING content", (upload_id, new.number)
    )
    tx.run(
        "INSERT INTO part(upload, number, size, etag, modified, checksums, content)"
        " VALUES(?,?,?,?,?,?,?)",
        (
            upload_id, new.number, new.size, new.etag, new.modified, _dump(new.checksums),
            add_content(tx, segments),
        ),
    )  # fmt: skip
    return remove_content(tx, [old["content"]]) if old else []


def parts(reader: Reader, upload_id: str, after: int = 0, limit: int = 10000) -> list[Part]:
    """Up to `limit` parts of the upload with a number greater than `after`, in order."""
    rows = reader.all(
        "SELECT * FROM part WHERE upload=? AND number>? ORDER BY number LIMIT ?",
        (upload_id, after, limit),
    )
    return [
        Part(
            r["number"], r["size"], r["etag"], r["modified"], _parse(r["checksums"]),
            r["content"],
        )
        for r in rows
    ]  # fmt: skip


def complete(
    tx: Tx, upload_id: str, new: Object, chosen: Sequence[Part], algorithm: str
) -> list[str]:
    """`new` is made of the `chosen` parts' bytes, in order, and the upload is gone; what that frees."""
    segments = [s for part in chosen for s in segments_of(tx, part.content)]
    freed = set(put(tx, new, segments or [Segment(0)]))
    row = tx.one("SELECT content FROM object WHERE bucket=? AND key=?", (new.bucket, new.key))
    assert row is not None
    for part in chosen:
        tx.run(
            "INSERT INTO piece(content, number, size, checksum) VALUES(?,?,?,?)",
            (row["content"], part.number, part.size, part.checksums.get(algorithm)),
        )
    return [*freed, *remove_upload(tx, upload_id)]


def pieces(
    reader: Reader, content: int, after: int = 0, limit: int = 10000
) -> list[tuple[int, int, str | None]]:
    """(number, size, checksum) of the parts that a multipart object was completed from."""
    rows = reader.all(
        "SELECT number, size, checksum FROM piece WHERE content=? AND number>?"
        " ORDER BY number LIMIT ?",
        (content, after, limit),
    )
    return [(r["number"], r["size"], r["checksum"]) for r in rows]


def remove_upload(tx: Tx, upload_id: str) -> list[str]:
    """The upload and its parts are gone; what that frees."""
    rows = tx.all("DELETE FROM part WHERE upload=? RETURNING content", (upload_id,))
    tx.run("DELETE FROM upload WHERE id=?", (upload_id,))
    return remove_content(tx, [row["content"] for row in rows])


def _upload(row: sqlite3.Row) -> Upload:
    return Upload(row["id"], row["bucket"], row["key"], row["created"], _parse(row["doc"]))
