"""A job's results on their way to S3: model, output data, checkpoints."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from sagebrush.engine import archive, beneath, channels, stage
from sagebrush.store.objects import SpoolWriter
from sagebrush.world import Ctx, Doc

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
    """One job's results: who stores them, the job's document, its directory."""

    ctx: Ctx
    doc: Doc
    root: Path

    def run(self, model: bool) -> None:
        """Output data and checkpoints are in S3, and the model too where it is wanted.

        Repeatable. Raises UploadError and AwsError.
        """
        bucket, prefix = channels.split(self.doc["OutputDataConfig"]["S3OutputPath"])
        home = "/".join(p for p in (prefix.strip("/"), self.doc["TrainingJobName"], "output") if p)
        plain = self.doc["OutputDataConfig"].get("CompressionType") == "NONE"
        with self._ml() as ml:
            if model:
                self._part(ml, ("model",), bucket, f"{home}/model", plain)
            if self._any(ml, ("output", "data")):
                self._part(ml, ("output", "data"), bucket, f"{home}/output", plain)
        self.kept()

    def kept(self, since: float = 0.0) -> None:
        """Checkpoints, tensors and TensorBoard files that changed after `since` are in S3, if wanted.

        `since` is in seconds since the epoch. May be called while the job runs. Raises UploadError
        and AwsError.
        """
        for member, where, folder in KEPT:
            if member not in self.doc:
                continue
            bucket, prefix = channels.split(self.doc[member][where])
            home = [prefix.rstrip("/"), self.doc["TrainingJobName"], folder]
            key = "/".join(p for p in home if p) if folder else home[0]
            with self._ml() as ml:
                try:
                    with beneath.directory(ml, stage.local_parts(self.doc, member)) as fd:
                        self._objects(fd, bucket, key, since)
                except (NotADirectoryError, FileNotFoundError):
                    self._note(f"the local path of {member} is no directory")

    @contextmanager
    def _ml(self) -> Iterator[int]:
        """A descriptor of the job's /opt/ml; what goes wrong inside becomes UploadError."""
        try:
            with beneath.opened(self.root / "ml") as ml:
                yield ml
        except archive.ArchiveError as error:
            raise UploadError(f"ClientError: Artifact upload failed:{error}") from error
        except OSError as error:
            raise UploadError(
                f"ClientError: Artifact upload failed:{error.strerror or error}"
            ) from error

    def _any(self, ml: int, parts: tuple[str, ...]) -> bool:
        try:
            with beneath.directory(ml, parts) as fd:
                return bool(os.listdir(fd))
        except OSError:
            return False

    def _part(self, ml: int, parts: tuple[str, ...], bucket: str, name: str, plain: bool) -> None:
        """The directory `parts` is the archive `name`.tar.gz, or, if `plain`, objects beneath it."""
        try:
            with beneath.directory(ml, parts) as fd:
                if plain:
                    self._objects(fd, bucket, name)
                else:
                    self._archive(fd, bucket, f"{name}.tar.gz")
        except (NotADirectoryError, FileNotFoundError) as error:
            raise UploadError(
                f"ClientError: Artifact upload failed:/opt/ml/{'/'.join(parts)} is not a directory"
                " any more"
            ) from error

    def _archive(self, fd: int, bucket: str, key: str) -> None:
        writer = self.ctx.world.objects.spool()
        size = self.doc["ResourceConfig"].get("VolumeSizeInGB") or VOLUME
        caps = archive.Caps(size=max(size, 1) * 2**30)
        try:
            archive.pack(fd, cast(IO[bytes], _Sink(writer)), caps, self._note)
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

    def _objects(self, fd: int, bucket: str, name: str, since: float = 0.0) -> None:
        """Each regular file beneath `fd` that changed after `since` is the object `name`/<path>."""
        for found in beneath.walk(fd):
            if stat.S_ISDIR(found.stat.st_mode) or found.stat.st_mtime < since:
                continue
            if not stat.S_ISREG(found.stat.st_mode):
                self._note(f"left out {found.path}: no regular file")
                continue
            file = beneath.open_regular(found.parent, found.parts[-1])
            try:
                body = self.ctx.world.objects.spool_file(file, found.stat.st_size)
            finally:
                os.close(file)
            params = {"Bucket": bucket, "Key": f"{name}/{found.path}".lstrip("/"), "Body": body}
            try:
                self.ctx.call("s3", "PutObject", params)
            except BaseException:
                self.ctx.world.objects.drop(body)
                raise

    def _note(self, text: str) -> None:
        log.info("training job %s: %s", self.doc["TrainingJobName"], text)


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
