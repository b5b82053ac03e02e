"""What commands read beside the server; it imports little, so that `status` answers at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sagebrush.commands.running import CommandError
from sagebrush.settings import Settings
from sagebrush.store.db import ReadOnly
from sagebrush.store.home import DATABASE


@contextlib.contextmanager
def database(chosen: Settings) -> Iterator[ReadOnly]:
    """The data directory's database, read-only; raises CommandError where there is none yet."""
    try:
        found = ReadOnly(chosen.home / DATABASE)
    except FileNotFoundError as error:
        raise CommandError(f"there is nothing in {chosen.home} yet") from error
    try:
        yield found
    finally:
        found.close()
