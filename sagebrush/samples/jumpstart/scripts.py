"""sourcedir.tar.gz of the scripts that models are trained and served by: the algorithm's folder, packed.

The same files always make the same bytes.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ALGORITHMS = Path(__file__).resolve().parents[2] / "algorithms"
SHARED = "contract"
"""The package beside an algorithm's own that it imports."""
ENTRIES = ("transfer_learning.py", "inference.py")
"""Entry points: they lie at the top, too."""
KINDS = (".py", ".json")


@cache
def sourcedir(package: str) -> bytes | None:
    """The archive of the algorithm's scripts; None where there is no such algorithm."""
    if not (ALGORITHMS / package / ENTRIES[0]).is_file():
        return None
    return pack(dict(_files(package)))


def pack(files: Mapping[str, bytes]) -> bytes:
    """A tar.gz of the files, by name, without times and owners."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(files[name]), 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    return packed.getvalue()


def _files(package: str) -> Iterator[tuple[str, bytes]]:
    for name in (package, SHARED):
        for path in (ALGORITHMS / name).iterdir():
            if path.suffix in KINDS:
                yield f"{name}/{path.name}", path.read_bytes()
    for name in ENTRIES:
        if (path := ALGORITHMS / package / name).is_file():
            yield name, path.read_bytes()
