"""Where a model comes from, and where what was made of it goes: a path, S3, or a model's name."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sagebrush.commands import running
from sagebrush.commands.running import CommandError, Server
from sagebrush.settings import Settings
from sagebrush.store.objects import Blob
from sagebrush.workload import archive, dirfd

PREFIX = "s3://"
ML = "/opt/ml/model"
LOADERS = ("model_fn", "transform_fn")
RUNTIME = "onnxruntime>=1.19"
"""What `code/requirements.txt` says for an image whose environment has no ONNX Runtime."""


@dataclass(frozen=True)
class Clients:
    """Clients of the running server, made when they are first needed."""

    chosen: Settings
    server: Server

    def of(self, service: str) -> Any:
        """A boto3 client of the service."""
        return running.client(self.chosen, self.server, service)


@dataclass(frozen=True)
class Source:
    """A model directory on this machine, and what is known of the model that it is of."""

    folder: Path
    name: str
    container: Mapping[str, Any] = field(default_factory=dict)
    """The container of the SageMaker model; {} for a path or a URL."""
    role: str = ""
    """The execution role of the SageMaker model."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The container's variables."""
        return self.container.get("Environment") or {}


def fetched(model: str, clients: Callable[[], Clients], into: Path) -> Source:
    """The model lies in `into`, or is where it was. `model` is a path, an s3:// URL (of an archive, or
    of a folder by its slash at the end) or the name of a SageMaker model. Raises CommandError."""
    if model.startswith(PREFIX):
        _download(clients().of("s3"), model, into)
        return Source(into, _stem(model))
    path = Path(model).expanduser()
    if path.is_dir():
        return Source(path, path.resolve().name)
    if path.is_file():
        _unpacked(path, into)
        return Source(into, _stem(model))
    if "/" in model or model.endswith((".gz", ".tar", ".tgz")):
        raise CommandError(f"{model}: there is no such file or directory")
    return _named(model, clients(), into)


def _named(name: str, clients: Clients, into: Path) -> Source:
    """The SageMaker model of that name; raises CommandError."""
    from botocore.exceptions import ClientError

    try:
        told = clients.of("sagemaker").describe_model(ModelName=name)
    except ClientError as error:
        message = error.response.get("Error", {}).get("Message", error)
        raise CommandError(
            f"{name} is no path, and the server has no model of that name: {message}"
        ) from error
    containers = told.get("Containers") or [told.get("PrimaryContainer") or {}]
    if len(containers) != 1:
        raise CommandError(f"model {name} has {len(containers)} containers: name one's archive")
    [container] = containers
    identity = (container.get("Environment") or {}).get("HF_MODEL_ID", ML)
    if identity != ML:
        raise CommandError(
            f"model {name} serves HF_MODEL_ID {identity}, not model data: fetch it to a directory"
            " (huggingface-cli download) and name that"
        )
    data = (container.get("ModelDataSource") or {}).get("S3DataSource") or {}
    url = container.get("ModelDataUrl") or data.get("S3Uri")
    if not url:
        raise CommandError(f"model {name} has no model data")
    _download(clients.of("s3"), url, into)
    return Source(into, name, container, told.get("ExecutionRoleArn", ""))


def _download(s3: Any, url: str, into: Path) -> None:
    """The archive at an s3:// URL is unpacked in `into`; of a prefix with a slash, its objects are
    there. Raises CommandError."""
    from botocore.exceptions import ClientError

    bucket, key = split(url)
    try:
        if not key.endswith("/"):
            file = into.with_suffix(".fetched")
            s3.download_file(bucket, key, str(file))
            _unpacked(file, into)
            file.unlink()
            return
        found = 0
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key):
            for each in page.get("Contents", ()):
                name = each["Key"].removeprefix(key)
                if not name or name.endswith("/"):
                    continue
                place = into / name
                if ".." in place.parts or not place.is_relative_to(into):
                    raise CommandError(f"{url} has a key that leads elsewhere: {each['Key']}")
                place.parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(bucket, each["Key"], str(place))
                found += 1
        if not found:
            raise CommandError(f"{url}: there are no objects")
    except ClientError as error:
        raise CommandError(f"{url}: {error}") from error


def _unpacked(file: Path, into: Path) -> None:
    """The archive's members are in `into`; raises CommandError."""
    try:
        with dirfd.opened(into) as target:
            archive.unpack(Blob(file.stat().st_size, file), target)
    except (archive.ArchiveError, OSError) as error:
        raise CommandError(f"{file.name}: {error}") from error


def packed(folder: Path, file: Path) -> None:
    """`file` is a gzipped tar of what is in `folder`."""
    with dirfd.opened(folder) as root, file.open("wb") as out:
        archive.pack(dirfd.walk(root), out, archive.Caps(), lambda _: None)


def uploaded(s3: Any, file: Path, url: str) -> None:
    """The file is at the s3:// URL, whose bucket is made where it is the account's default one."""
    from botocore.exceptions import ClientError

    bucket, key = split(url)
    try:
        if bucket.startswith("sagemaker-"):
            s3.create_bucket(Bucket=bucket)
        s3.upload_file(str(file), bucket, key)
    except ClientError as error:
        raise CommandError(f"{url}: {error}") from error


def split(url: str) -> tuple[str, str]:
    """(bucket, key) of an s3:// URL; raises CommandError."""
    bucket, _, key = url.removeprefix(PREFIX).partition("/")
    if not url.startswith(PREFIX) or not bucket or not key:
        raise CommandError(f"{url} is no s3://BUCKET/KEY")
    return bucket, key


def loader(folder: Path, environment: Mapping[str, str]) -> str:
    """The function of the model's own code that loads it, as `file: function`; "" where there is none:
    what loads the weights itself would not see the graph."""
    name = environment.get("SAGEMAKER_PROGRAM") or "inference.py"
    for place in (folder / "code" / name, folder / name):
        if not place.is_file():
            continue
        try:
            tree = ast.parse(place.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError, ValueError):
            return ""
        found = [n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.name in LOADERS]
        return f"{place.relative_to(folder)}: {found[0]}" if found else ""
    return ""


def lacks_runtime(image: str, root: Path) -> bool:
    """Whether the environment that stands for `image` has no ONNX Runtime, as far as is known."""
    from sagebrush.environments import images, locks

    try:
        name = images.resolve(image, locks.added(root)).environment
        return "onnxruntime" not in locks.pins(locks.text(root, name))
    except (images.UnknownImage, locks.NoLock):  # a release that was never resolved
        return True


def require_runtime(folder: Path) -> None:
    """The model archive's `code/requirements.txt` asks for ONNX Runtime."""
    file = folder / "code" / "requirements.txt"
    file.parent.mkdir(exist_ok=True)
    said = file.read_text(encoding="utf-8") if file.is_file() else ""
    if "onnxruntime" not in said:
        file.write_text(said + ("\n" if said and not said.endswith("\n") else "") + RUNTIME + "\n")


def _stem(place: str) -> str:
    """The name of an archive, or of the folder that it lies in where it is only `model.tar.gz`."""
    parts = [part for part in place.rstrip("/").split("/") if part]
    name = parts[-1]
    for end in (".tar.gz", ".tgz", ".tar"):
        name = name.removesuffix(end)
    folders = [part for part in parts[:-1] if part not in ("output", "s3:")]
    return folders[-1] if name == "model" and folders else os.path.basename(name) or "model"
