"""A job's results as AWS writes them: JSON Lines in `output.tar.gz`, or a file for each input.

Source: Amazon Comprehend developer guide, "Asynchronous batch processing"; API reference, OutputDataConfig;
examples of the AWS CLI (`<input>.out` for PII and targeted sentiment).
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Protocol

from .documents import Document

Answer = Mapping[str, Any]
Form = Callable[[Document, Answer], str]
"""What is written for a document."""


class Results(Protocol):
    """Where results go, in the order of the documents."""

    def add(self, document: Document, answer: Answer) -> None:
        """The document's result is written."""
        ...

    def finish(self) -> None:
        """All that was added is in S3."""
        ...

    def close(self) -> None:
        """No file is open, whether it was finished or not."""
        ...


Put = Callable[[str, Path], None]
"""(name below the output's place, file): the file is in S3."""


def record(document: Document, answer: Answer) -> str:
    """The line of JSON that tells of one document."""
    return json.dumps(members(document, answer), sort_keys=True) + "\n"


def members(document: Document, answer: Answer) -> dict[str, Any]:
    """What is told of one document."""
    found: dict[str, Any] = {"File": document.file}
    if document.line is not None:
        found["Line"] = document.line
    if document.error is not None:
        found |= {"ErrorCode": document.error.code, "ErrorMessage": document.error.message}
    else:
        found |= answer
    return found


class Archive:
    """`output.tar.gz` with one file, `output`."""

    NAME, INSIDE = "output.tar.gz", "output"

    def __init__(self, folder: Path, put: Put, form: Form = record) -> None:
        self._folder, self._put, self._form = folder, put, form
        self._file = (folder / "output").open("w", encoding="utf-8", newline="")

    def add(self, document: Document, answer: Answer) -> None:
        """One line more."""
        self._file.write(self._form(document, answer))

    def close(self) -> None:
        """The file is closed."""
        self._file.close()

    def finish(self) -> None:
        """The archive is in S3."""
        self._file.close()
        pack(self._folder / self.NAME, {self.INSIDE: self._folder / "output"})
        self._put(self.NAME, self._folder / self.NAME)


class PerFile:
    """A file for each input, `<input>.out`: `done` takes each when its input is at its end."""

    def __init__(self, folder: Path, done: Put, form: Form = record) -> None:
        self._folder, self._done, self._form = folder, done, form
        self._name: str | None = None
        self._file: IO[str] | None = None
        self._count = 0

    def add(self, document: Document, answer: Answer) -> None:
        """One document more, of the same input or the next."""
        if document.file != self._name or self._file is None:
            self.finish()
            self._name, self._count = document.file, self._count + 1
            place = self._folder / f"{self._count}.out"  # keys may be no names of files
            self._file = place.open("w", encoding="utf-8", newline="")
        self._file.write(self._form(document, answer))

    def close(self) -> None:
        """The file of the last input is closed."""
        if self._file is not None:
            self._file.close()

    def finish(self) -> None:
        """The file of the last input is handed on."""
        if self._file is not None:
            self._file.close()
            self._done(f"{self._name}.out", Path(self._file.name))
            self._file = None


class ArchiveOfFiles:
    """`output.tar.gz` with a file for each input."""

    def __init__(self, folder: Path, put: Put, form: Form = record) -> None:
        self._folder, self._put = folder, put
        self._members: dict[str, Path] = {}
        self._files = PerFile(folder, self._members.__setitem__, form)

    def add(self, document: Document, answer: Answer) -> None:
        """One document more."""
        self._files.add(document, answer)

    def close(self) -> None:
        """The file of the last input is closed."""
        self._files.close()

    def finish(self) -> None:
        """The archive is in S3."""
        self._files.finish()
        pack(self._folder / Archive.NAME, self._members)
        self._put(Archive.NAME, self._folder / Archive.NAME)


class Files:
    """A file for each input, in S3 as soon as its input is at its end."""

    def __init__(self, folder: Path, put: Put, form: Form = record) -> None:
        def done(name: str, file: Path) -> None:
            put(name, file)
            file.unlink()

        self._files = PerFile(folder, done, form)

    def add(self, document: Document, answer: Answer) -> None:
        """One document more."""
        self._files.add(document, answer)

    def close(self) -> None:
        """The file of the last input is closed."""
        self._files.close()

    def finish(self) -> None:
        """The last file is in S3."""
        self._files.finish()


KINDS: Mapping[str, Callable[[Path, Put, Form], Results]] = {
    "archive": Archive,
    "archive-files": ArchiveOfFiles,
    "files": Files,
}


def pack(archive: Path, members: Mapping[str, Path]) -> None:
    """The archive holds the files under those names, and they are gone."""
    with tarfile.open(archive, "w:gz", compresslevel=6) as out:
        for name, file in members.items():
            found = out.gettarinfo(str(file), name)
            found.uid = found.gid = 0
            found.uname = found.gname = ""
            found.mode = 0o644
            with file.open("rb") as content:
                out.addfile(found, content)
            file.unlink()
