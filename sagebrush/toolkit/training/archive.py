"""The submitted code: an archive on S3 or a path, or a folder, into /opt/ml/code."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from pathlib import Path

from sagebrush.toolkit.job import ClientError
from sagebrush.toolkit.packages import s3


def unpack(source: str, code: Path, root: Path) -> None:
    """`code` holds what `source` names; raises ClientError, which names it too.

    `source` is an s3:// address, a file:// one or a path; paths below /opt/ml mean `root`.
    """
    if source.startswith("s3://"):
        with tempfile.NamedTemporaryFile(suffix=".tar.gz") as file:
            s3.download(source, Path(file.name))
            _extract(Path(file.name), source, code)
        return
    if "://" in source and not source.startswith("file://"):
        raise ClientError(f"{source}: sagemaker_submit_directory must be on S3 or a local path")
    path = Path(source.removeprefix("file://"))
    if path.is_relative_to("/opt/ml"):
        path = root / path.relative_to("/opt/ml")
    if path.is_dir():
        if path.resolve() != code.resolve():
            shutil.copytree(path, code, dirs_exist_ok=True)
    elif path.is_file():
        _extract(path, source, code)
    else:
        raise ClientError(f"{source}: the submitted code is not there")


def _extract(file: Path, source: str, code: Path) -> None:
    try:
        with tarfile.open(file) as archive:
            # Interpreters before 3.11.4 lack the filter; we are confined to the job all the same.
            if hasattr(tarfile, "data_filter"):
                archive.extractall(code, filter="data")
            else:
                archive.extractall(code)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ClientError(f"{source} cannot be unpacked as a tar archive: {error}") from error
