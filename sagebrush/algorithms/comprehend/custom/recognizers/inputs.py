"""Files and documents of training data, read from S3 by their URIs."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from ... import documents, failures
from ...documents import Document
from ...failures import JobFailed
from ...storage import Found, Storage, located
from .annotated import Place, too_large

THREADS = 4
"""Files that are read at once."""


def files(storage: Storage, uri: str) -> tuple[str, list[Found]]:
    """The bucket, and the object that the URI names, or else those that its key is a prefix of. Raises
    JobFailed where there is none."""
    bucket, prefix = located(uri)
    found = list(storage.listed(bucket, prefix))
    if not found:
        raise JobFailed(failures.NOTHING)
    return bucket, [each for each in found if each.key == prefix] or found


def name(uri: str, key: str) -> str:
    """The name of a file: its key without the folder of the URI."""
    return key[located(uri)[1].rfind("/") + 1 :]


def content(storage: Storage, bucket: str, found: Found) -> str:
    """What a file says in UTF-8, without its byte order mark. Raises JobFailed."""
    held = b"".join(storage.blocks(bucket, found))
    try:
        return held.decode("utf-8-sig")
    except UnicodeDecodeError:
        file = found.key.rpartition("/")[2]
        raise JobFailed(f"UNSUPPORTED_ENCODING: The file {file} is not in UTF-8 format.") from None


def texts(
    storage: Storage, uri: str, by_line: bool, limits: tuple[int, int]
) -> Iterator[tuple[Place, str]]:
    """The documents of the files, a line or a file each; not those without any text. `limits` are bytes,
    of a document and of all. Raises JobFailed."""
    bucket, found = files(storage, uri)
    if sum(each.size for each in found) > limits[1]:
        raise failures.too_much("bytes", limits[1])
    told = _lines if by_line else _whole
    for document in told(storage, uri, (bucket, found), limits[0]):
        place = Place(document.file, document.line)
        if document.error is None:
            yield place, document.text
        elif document.error.code == "DOCUMENT_SIZE_EXCEEDED":
            raise too_large(place, limits[0])
        elif document.error is not failures.EMPTY:
            raise JobFailed(f"UNSUPPORTED_ENCODING: A document {place} is not in UTF-8 format.")


def _lines(
    storage: Storage, uri: str, given: tuple[str, list[Found]], limit: int
) -> Iterator[Document]:
    bucket, found = given
    for each in found:
        yield from documents.of_lines(name(uri, each.key), storage.blocks(bucket, each), limit)


def _whole(
    storage: Storage, uri: str, given: tuple[str, list[Found]], limit: int
) -> Iterator[Document]:
    """Several files are asked for at once: for small ones that takes most of the time."""
    bucket, found = given

    def one(each: Found) -> Document:
        return documents.of_file(name(uri, each.key), storage.blocks(bucket, each), limit)

    with ThreadPoolExecutor(THREADS, thread_name_prefix="read") as pool:
        yield from pool.map(one, found)
