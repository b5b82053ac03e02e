"""Archives of files in a channel, as base models and artefacts come: tar, plain or compressed."""

from __future__ import annotations

import tarfile
from pathlib import Path

from .channels import Channel

ENDINGS = (".tar.gz", ".tgz", ".tar")


class Damaged(ValueError):
    """An archive cannot be unpacked; the text names it and says why."""


def packed(channel: Channel) -> list[Path]:
    """The channel's archives, by their names' endings."""
    return [path for path in channel.paths() if path.name.endswith(ENDINGS)]


def unpack(archive: Path, into: Path) -> Path:
    """The archive's files and folders are in `into`, which is given back.

    Raises Damaged for what is no archive, and for an entry that is neither a file nor a folder or
    would lie elsewhere."""
    try:
        with tarfile.open(archive) as source:
            for member in source:
                path = (into / member.name).resolve()
                if into.resolve() not in (path, *path.parents) or not (
                    member.isfile() or member.isdir()
                ):
                    raise Damaged(f"{archive.name} has an entry that is no file: {member.name}")
                source.extract(member, into, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise Damaged(f"{archive.name} is no tar archive that can be read: {error}") from None
    return into
