"""Which modules a job's scripts import: what its successor's process may load before it comes."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from sagebrush.workload import dirfd

IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+([A-Za-z_][\w.]*)[ \t]+import|import[ \t]+([A-Za-z_][\w.]*))", re.M
)
"""Of one line: what may span lines takes quadratic time on a file of empty ones."""
FILES, SIZE, MODULES = 50, 256 << 10, 40
"""The most files, bytes of a file, and modules that are looked at."""
BOUNDS = dirfd.Bounds(entries=5_000)
"""What is looked at to find them: a guess is not worth more."""


def modules(root: Path) -> list[str]:
    """The modules that the scripts in the job's /opt/ml/code import, its own left out; [] where they
    cannot be read."""
    named: dict[str, None] = {}
    own: set[str] = set()
    with (
        suppress(OSError, dirfd.TooMuch),
        dirfd.opened(root / "ml") as ml,
        dirfd.directory(ml, ("code",)) as fd,
    ):
        files = 0
        for found in dirfd.walk(fd, BOUNDS):
            if len(found.parts) == 1:
                own.add(found.parts[0].removesuffix(".py"))
            if not found.parts[-1].endswith(".py") or not stat.S_ISREG(found.stat.st_mode):
                continue
            files += 1
            if files > FILES:
                break
            file = dirfd.open_regular(found.parent, found.parts[-1])
            with os.fdopen(file, "rb") as opened:
                for m in IMPORT.finditer(opened.read(SIZE)):
                    named[(m[1] or m[2]).decode()] = None
    return [name for name in named if name.partition(".")[0] not in own][:MODULES]
