"""A job's results on their way to S3: model, output data, checkpoints."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import IO, cast

from sagebrush.errors import AwsError, Doc
from sagebrush.store.spool import SpoolWriter
from sagebrush.workload import archive, dirfd, sources, stage
from sagebrush.world import Ctx

log = logging.getLogger(__name__)

VOLUME = 30
"""GiB of an ML storage volume where the request does not say."""
RESERVE = 64 << 20
"""Bytes of disk that storing a file leaves free."""
OBJECTS = archive.Caps(size=1 << 60, members=1 << 60)
"""Of files that become objects, one by one: what is on the disk, and a walk's bounds, limit them."""
MOST = 20
"""Lines of a job's log about what was left out."""

CHECKPOINTED = (
    ("CheckpointConfig", "S3Uri", ""),
    ("DebugHookConfig", "S3OutputPath", "debug-output"),
    ("TensorBoardOutputConfig", "S3OutputPath", "tensorboard-output"),
)
"""What is stored while a job runs: the member, where it says so, the folder under the job's name."""


class UploadError(Exception):
    """The results cannot be stored, for a reason of the user's; the text is a FailureReason."""


class Remarks:
    """What the log of a job says of its results: a line for each thing that was left out, up to MOST."""

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}
        self._more = 0

    def __call__(self, text: str) -> None:
        """`text` is one of the lines, if there is room."""
        if text in self._lines or len(self._lines) < MOST:
            self._lines[text] = None
        else:
            self._more += 1

    def lines(self) -> list[str]:
        """All remarks; past MOST of them, a last line counts the others."""
        more = [f"{self._more} more were left out"] if self._more else []
        return [*self._lines, *more]


@dataclass(frozen=True)
class Upload:
    """One job's results: who stores them, the job's document, the directories of its instances, and
    `remark`, which is called with a text for what was left out.

    Where several instances wrote the same path, the first one's file is stored.
    """

    ctx: Ctx
    doc: Doc
    roots: tuple[Path, ...]
    remark: Callable[[str], None] = lambda _: None

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
                self._part(found, bucket, (home, "model"), plain)
        with directories(self.roots, ("output", "data")) as found:
            if any(map(_holds, found)):
                self._part(found, bucket, (home, "output"), plain)
        self.checkpoints()

    def checkpoints(self, since: float = 0.0, until: float = inf) -> None:
        """Checkpoints, tensors and TensorBoard files that changed from `since` to `until` are in S3,
        if wanted.

        Both are in seconds since the epoch. May be called while the job runs: what it wrote in the
        last moments, perhaps not whole yet, is for the next call. Raises UploadError and AwsError.
        """
        for member, where, folder in CHECKPOINTED:
            if member not in self.doc:
                continue
            bucket, prefix = sources.split(self.doc[member][where])
            home = [prefix.rstrip("/"), self.doc["TrainingJobName"], folder]
            key = "/".join(p for p in home if p) if folder else home[0]
            with directories(self.roots, stage.local_parts(self.doc, member)) as found:
                if not found:
                    self._note(f"the local path of {member} is no directory")
                if not since:
                    weigh(found)
                note, there = self._noter(f"s3://{bucket}/{key}"), self._stored(bucket, key, since)
                wanted, times = dirfd.merged(found), (since, until)
                store(self.ctx, wanted, (bucket, key), note, times, there)

    def _stored(self, bucket: str, key: str, since: float) -> Mapping[str, int] | None:
        """The sizes of the objects under `key`; None where all files are stored anyway, or the role
        may not look: then what a directory brought that was renamed waits for the job's end."""
        if not since:
            return None
        try:
            return dict(sources.keys(self.ctx, bucket, f"{key}/" if key else ""))
        except AwsError as error:
            self._note(f"the objects beneath {key} could not be listed: {error.message}")
            return None

    def _part(self, found: list[int], bucket: str, name: tuple[str, str], plain: bool) -> None:
        """What the directories hold is the archive `name`.tar.gz, or, if `plain`, objects under it."""
        home, what = name
        if plain:
            weigh(found)
            note = self._noter(f"{what}/")
            store(self.ctx, dirfd.merged(found), (bucket, f"{home}/{what}"), note)
        else:
            self._archive(found, bucket, (home, f"{what}.tar.gz"))

    def _archive(self, found: list[int], bucket: str, name: tuple[str, str]) -> None:
        home, what = name
        size = self.doc["ResourceConfig"].get("VolumeSizeInGB") or VOLUME
        caps = archive.Caps(size=max(size, 1) * 2**30 * len(self.roots))
        weigh(found, caps)
        writer = self.ctx.world.objects.spool()
        tops = tops_of(self.roots, "model" if what.startswith("model") else "output/data")
        out, wanted = cast(IO[bytes], _Sink(writer)), dirfd.merged(found)
        try:
            archive.pack(wanted, out, caps, self._noter(what), tops)
            body = writer.finish()
        except BaseException:
            writer.abort()
            raise
        params = {
            "Bucket": bucket,
            "Key": f"{home}/{what}",
            "Body": body,
            "ContentType": "application/x-tar",
        }
        try:
            self.ctx.call("s3", "PutObject", params)
        except BaseException:
            self.ctx.world.objects.drop(body)
            raise

    def _noter(self, where: str) -> Callable[[str], None]:
        """Tells what is left out of `where`."""

        def note(text: str) -> None:
            self._note(f"left out of {where}: {text}")
            self.remark(f"left out of {where}: {text}")

        return note

    def _note(self, text: str) -> None:
        log.info("training job %s: %s", self.doc["TrainingJobName"], text)


def tops_of(roots: Sequence[Path], place: str) -> list[str]:
    """The absolute paths by which jobs know the directory `place` of their /opt/ml: in a sandbox or a
    container, and in process mode."""
    mls = [str(path) for root in roots for path in (root / "ml", (root / "ml").resolve())]
    return [f"{ml}/{place}" for ml in dict.fromkeys(["/opt/ml", *mls])]


def weigh(found: Sequence[int], caps: archive.Caps = OBJECTS) -> None:
    """Raises ArchiveError or TooMuch where the directories hold more than is stored: a look at the
    names is quick, and nothing has been stored or packed before it."""
    weighed = archive.Weighed(caps)
    for each in dirfd.merged(found):
        weighed.add(each, each.stat if stat.S_ISREG(each.stat.st_mode) else None)


def _holds(directory: int) -> bool:
    """Whether there is anything in it."""
    with os.scandir(directory) as entries:
        return next(entries, None) is not None


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
        except (archive.ArchiveError, dirfd.TooMuch) as error:
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
    `times[1]` is an object of its path under `place` (bucket, prefix). What is no regular file, or
    cannot be an object, is reported to `note`; what vanishes meanwhile is not stored.

    `there`, the sizes of objects, finds older files that are not stored: a directory was renamed.
    Raises AwsError, OSError, ArchiveError and TooMuch.
    """
    (bucket, prefix), weighed = place, archive.Weighed(OBJECTS)
    for found in wanted:
        key, changed = f"{prefix}/{found.path}".lstrip("/"), found.stat.st_ctime
        if stat.S_ISDIR(found.stat.st_mode) or changed >= times[1]:
            continue
        if changed < times[0] and (there is None or there.get(key) == found.stat.st_size):
            continue
        if not stat.S_ISREG(found.stat.st_mode):
            note(f"{found.shown}: {archive.kind_of(found.stat)}")
            continue
        if not _is_text(key):
            note(f"{found.shown}: its name is not UTF-8, as a key must be")
            continue
        try:
            file = dirfd.open_regular(found.parent, found.parts[-1])
        except dirfd.Changed:
            continue
        try:
            now = os.fstat(file)
            weighed.add(found, now)
            _check_space(ctx, now.st_size, found)
            body = ctx.world.objects.spool_file(file, now.st_size)
        finally:
            os.close(file)
        params = {"Bucket": bucket, "Key": key, "Body": body}
        try:
            ctx.call("s3", "PutObject", params)
        except BaseException:
            ctx.world.objects.drop(body)
            raise


def _is_text(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:  # bytes that the file system's encoding does not know
        return False
    return True


def _check_space(ctx: Ctx, size: int, found: dirfd.Found) -> None:
    """Raises OSError where the disk has no room for a file: a sparse one has more than its bytes."""
    free = shutil.disk_usage(ctx.world.objects.root).free
    if size + RESERVE > free:
        raise OSError(
            errno.ENOSPC,
            f"No space left on device: {found.shown} is {size / 2**30:.4g} GiB, and"
            f" {max(free - RESERVE, 0) / 2**30:.4g} GiB are free",
        )


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
