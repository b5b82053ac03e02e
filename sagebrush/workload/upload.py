"""A job's results on their way to S3: model, output data, checkpoints."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import IO, cast

from sagebrush.errors import AwsError, Doc
from sagebrush.store.objects import SpoolWriter
from sagebrush.workload import archive, dirfd, sources, stage
from sagebrush.world import Ctx

log = logging.getLogger(__name__)

VOLUME = 30
"""GiB of an ML storage volume where the request does not say."""


KEPT = (
    ("CheckpointConfig", "S3Uri", ""),
    ("DebugHookConfig", "S3OutputPath", "debug-output"),
    ("TensorBoardOutputConfig", "S3OutputPath", "tensorboard-output"),
)
"""What is stored while a job runs: the member, where it says so, the folder beneath the job's name."""


class UploadError(Exception):
    """The results cannot be stored, for a reason of the user's; the text is a FailureReason."""


@dataclass(frozen=True)
class Upload:
    """One job's results: who stores them, the job's document, the directories of its instances.

    Where several instances wrote the same path, the first one's file is stored.
    """

    ctx: Ctx
    doc: Doc
    roots: tuple[Path, ...]

    def run(self, model: bool) -> None:
        """Output data and checkpoints are in S3, and the model too where it is wanted.

        Repeatable. Raises UploadError and AwsError.
        """
        bucket, prefix = sources.split(self.doc["OutputDataConfig"]["S3OutputPath"])
        home = "/".join(p for p in (prefix.strip("/"), self.doc["TrainingJobName"], "output") if p)
        plain = self.doc["OutputDataConfig"].get("CompressionType") == "NONE"
        if model:
            with directories(self.roots, ("model",)) as found:
                if not found:
                    raise UploadError(
                        "ClientError: Artifact upload failed:/opt/ml/model is not a directory any"
                        " more"
                    )
                self._part(found, bucket, f"{home}/model", plain)
        with directories(self.roots, ("output", "data")) as found:
            if any(os.listdir(fd) for fd in found):
                self._part(found, bucket, f"{home}/output", plain)
        self.kept()

    def kept(self, since: float = 0.0, until: float = inf) -> None:
        """Checkpoints, tensors and TensorBoard files that changed from `since` to `until` are in S3,
        if wanted.

        Both are in seconds since the epoch. May be called while the job runs: what it wrote in the
        last moments, perhaps not whole yet, is for the next call. Raises UploadError and AwsError.
        """
        for member, where, folder in KEPT:
            if member not in self.doc:
                continue
            bucket, prefix = sources.split(self.doc[member][where])
            home = [prefix.rstrip("/"), self.doc["TrainingJobName"], folder]
            key = "/".join(p for p in home if p) if folder else home[0]
            with directories(self.roots, stage.local_parts(self.doc, member)) as found:
                if not found:
                    self._note(f"the local path of {member} is no directory")
                self._objects(found, bucket, key, (since, until), self._stored(bucket, key, since))

    def _stored(self, bucket: str, key: str, since: float) -> Mapping[str, int] | None:
        """The sizes of the objects beneath `key`; None where all files are stored anyway, or the role
        may not look: then what a directory brought that was renamed waits for the job's end."""
        if not since:
            return None
        try:
            return dict(sources.keys(self.ctx, bucket, f"{key}/" if key else ""))
        except AwsError as error:
            self._note(f"the objects beneath {key} could not be listed: {error.message}")
            return None

    def _part(self, found: list[int], bucket: str, name: str, plain: bool) -> None:
        """What the directories hold is the archive `name`.tar.gz, or, if `plain`, objects beneath it."""
        if plain:
            self._objects(found, bucket, name)
        else:
            self._archive(found, bucket, f"{name}.tar.gz")

    def _archive(self, found: list[int], bucket: str, key: str) -> None:
        writer = self.ctx.world.objects.spool()
        size = self.doc["ResourceConfig"].get("VolumeSizeInGB") or VOLUME
        caps = archive.Caps(size=max(size, 1) * 2**30 * len(self.roots))
        try:
            archive.pack(dirfd.merged(found), cast(IO[bytes], _Sink(writer)), caps, self._note)
            body = writer.finish()
        except BaseException:
            writer.abort()
            raise
        params = {"Bucket": bucket, "Key": key, "Body": body, "ContentType": "application/x-tar"}
        try:
            self.ctx.call("s3", "PutObject", params)
        except BaseException:
            self.ctx.world.objects.drop(body)
            raise

    def _objects(
        self,
        found: list[int],
        bucket: str,
        name: str,
        times: tuple[float, float] = (0.0, inf),
        there: Mapping[str, int] | None = None,
    ) -> None:
        """Each regular file beneath the directories is the object `name`/<path>; `times` and `there` as
        for `store`."""
        store(self.ctx, dirfd.merged(found), (bucket, name), self._note, times, there)

    def _note(self, text: str) -> None:
        log.info("training job %s: %s", self.doc["TrainingJobName"], text)


@contextmanager
def directories(
    roots: Sequence[Path], parts: tuple[str, ...], what: str = "Artifact"
) -> Iterator[list[int]]:
    """Descriptors of the directory `parts` of each /opt/ml, where it is one; what goes wrong inside
    becomes UploadError, which says `what` it was about."""
    with ExitStack() as stack:
        try:
            found = []
            for root in roots:
                ml = stack.enter_context(dirfd.opened(root / "ml"))
                with suppress(NotADirectoryError, FileNotFoundError):
                    found.append(stack.enter_context(dirfd.directory(ml, parts)))
            yield found
        except archive.ArchiveError as error:
            raise UploadError(f"ClientError: {what} upload failed:{error}") from error
        except OSError as error:
            raise UploadError(
                f"ClientError: {what} upload failed:{error.strerror or error}"
            ) from error


def store(
    ctx: Ctx,
    wanted: Iterable[dirfd.Found],
    place: tuple[str, str],
    note: Callable[[str], None],
    times: tuple[float, float] = (0.0, inf),
    there: Mapping[str, int] | None = None,
) -> None:
    """Each regular file of `wanted` that changed (or was renamed) from `times[0]` until before
    `times[1]` is an object of its path beneath `place` (bucket, prefix). What is no regular file is
    told to `note`.

    `there`, the sizes of objects, finds older files that are not stored: a directory was renamed.
    """
    bucket, prefix = place
    for found in wanted:
        key, changed = f"{prefix}/{found.path}".lstrip("/"), found.stat.st_ctime
        if stat.S_ISDIR(found.stat.st_mode) or changed >= times[1]:
            continue
        if changed < times[0] and (there is None or there.get(key) == found.stat.st_size):
            continue
        if not stat.S_ISREG(found.stat.st_mode):
            note(f"left out {found.path}: no regular file")
            continue
        file = dirfd.open_regular(found.parent, found.parts[-1])
        try:
            body = ctx.world.objects.spool_file(file, found.stat.st_size)
        finally:
            os.close(file)
        params = {"Bucket": bucket, "Key": key, "Body": body}
        try:
            ctx.call("s3", "PutObject", params)
        except BaseException:
            ctx.world.objects.drop(body)
            raise


class _Sink:
    """A spool as a file that is only written."""

    def __init__(self, writer: SpoolWriter) -> None:
        self._writer = writer

    def write(self, data: bytes) -> int:
        if (wait := self._writer.write(bytes(data))) is not None:
            wait.result()
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""
