"""Which requirements.txt a job has, and whether it can be layered over the environment.

The rules are those of AWS's toolkits: for script mode the file at the root of the submitted code
(SageMaker Training Toolkit, `entry_point.install`), for endpoints the one next to the inference code
(SageMaker Inference Toolkit), for SDK v3 the one that its source code configuration names, for the
SDKs' FrameworkProcessor the one in its archive that its script installs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagebrush.aws.scalars import json_of
from sagebrush.environments import locks
from sagebrush.errors import AwsError, Doc
from sagebrush.store.objects import Blob
from sagebrush.workload import archive, dirfd, sources
from sagebrush.world import Ctx

FILE = "requirements.txt"
LIMIT = 256 << 10
"""Bytes of a requirements file that is layered; pip in the job gets what is longer."""
CAPS = archive.Caps(size=4 << 30)
"""Of code archives: what is larger is unpacked by the job alone."""
DRIVERS = ("input", "data", "sm_drivers", "sourcecode.json")
"""Where SDK v3 says what its source code is."""
CODE = ("input", "data", "code")
"""The channel with SDK v3's source code."""

MODEL = ("input", "data", "model")
"""The channel with the model that a job begins with."""
REFERENCE = "reference.json"
"""In the archive that stands for a model of JumpStart's which nobody put there: where it is to be had."""
REFERRING = 64 << 10
"""Bytes of such an archive; a larger one is a model."""

PACKED = "sourcedir.tar.gz"
"""The archive of code that FrameworkProcessor's script unpacks."""

PICKLED = "serve.pkl"
"""What the SDKs' ModelBuilder packs beside its inference code."""
_SDK_V2 = re.compile(r"^(sagemaker(?:\[[\w,-]*\])?)>=2\.[\d.]+$", re.MULTILINE)

_UNPACKS = re.compile(rf"^\s*tar -xzf {re.escape(PACKED)}\s*$", re.MULTILINE)
_ENTERS = re.compile(r"^\s*cd (/opt/ml/processing/\S+)\s*$", re.MULTILINE)
_INSTALLS = re.compile(
    r"^\s*(?:(?:python3? -m )?pip3? install (?:--?\S+ )*?-r|python3? \S*install_requirements\.py)"
    r" (\S+)\s*$",
    re.MULTILINE,
)
_LOGS_IN = re.compile(r"^\s*aws codeartifact login\b", re.MULTILINE)
"""Lines of FrameworkProcessor's script, in SDK v2 and v3."""
_REQUIREMENT = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[A-Za-z0-9._,\s-]*\])?\s*(?:\(?[<>=!~][^;@]*\)?)?(?:;.*)?"
)
_ARCHIVE = re.compile(r"[^\s;]*\.(?:whl|zip|tgz|tar(?:\.\w+)?)(?:\s.*|;.*)?")
_INDEX = re.compile(r"(?:-i|-f|--index-url|--extra-index-url|--find-links)(?:\s+|=)https?://\S+")
_PLAIN = re.compile(
    r"--pre|--prefer-binary|--no-index|(?:--no-binary|--only-binary|--trusted-host)(?:\s+|=)\S+"
)


def lines(text: str) -> list[str]:
    """The lines that mean something: continued ones joined, comments and blanks left out."""
    joined = re.sub(r"\\\r?\n", " ", text)
    bare = (" ".join(re.sub(r"(^|\s)#.*", "", line).split()) for line in joined.splitlines())
    return [line for line in bare if line]


def wanted(text: str, environ: Mapping[str, str] | None = None) -> bool:
    """Whether the file can be layered: packages of indexes and where those are, nothing else.

    Local paths, `-e`, `-r`, `-c`, direct addresses, hashes and `${VARIABLES}` are for pip in the
    job, which has its files and its own environment; so is a job that configures pip or uv itself.
    """
    if any(
        name.startswith(("PIP_", "UV_")) or name == "CA_REPOSITORY_ARN" for name in environ or ()
    ):
        return False
    found = lines(text)
    return bool(found) and all(_layered(line) for line in found)


def _layered(line: str) -> bool:
    if "${" in line or _ARCHIVE.fullmatch(line):
        return False
    pattern = (_INDEX, _PLAIN) if line.startswith("-") else (_REQUIREMENT,)
    return any(each.fullmatch(line) for each in pattern) and "--hash" not in line


def of_training(ctx: Ctx, doc: Doc, ml: Path) -> str | None:
    """The requirements of the training job `doc`, whose staged /opt/ml is `ml`; None where it has
    none, or where only the job itself can find out."""
    with dirfd.opened(ml) as fd:
        if doc["AlgorithmSpecification"].get("ContainerEntrypoint"):
            return _of_drivers(fd)
        params, environ = doc.get("HyperParameters", {}), doc.get("Environment", {})
        program = params.get("sagemaker_program") or environ.get("SAGEMAKER_PROGRAM")
        submit = _decoded(params.get("sagemaker_submit_directory"))
        submit = submit or environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
        if not program or not submit:
            return None
        if submit.startswith("s3://"):
            return _in_archive(ctx, submit)
        return _text(fd, (*_inside(submit), FILE)) if _inside(submit) else None


def of_base_model(ml: Path) -> tuple[str, str] | None:
    """(The package that holds the base model, what helps where no index has it) of a training job whose
    staged `ml` has a reference to one in the channel `model`; None otherwise.

    It is installed as requirements are: pip in a job sees no index of this host's.
    """
    with dirfd.opened(ml) as fd:
        try:
            with dirfd.directory(fd, MODEL) as folder:
                names = sorted(os.listdir(folder))
        except OSError:
            return None
        for name in names:
            packed = dirfd.read_small(fd, (*MODEL, name), REFERRING + 1)
            told = _reference(packed) if packed and len(packed) <= REFERRING else {}
            package = told.get("package")
            if isinstance(package, str) and wanted(package):
                return package, (
                    f"{package} holds the base model {told.get('model_id')}. Where no package index"
                    " has it, put the model there once: sagebrush samples add"
                    f" jumpstart-cache-prod-REGION/{told.get('key')} FOLDER"
                )
    return None


def _reference(packed: bytes) -> Doc:
    try:
        blob = Blob(len(packed), data=packed)
        found = json_of(archive.member(blob, REFERENCE, REFERRING, CAPS) or b"null")
    except (archive.ArchiveError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def of_serving(environ: Mapping[str, str], ml: Path, model: Path | None = None) -> str | None:
    """The requirements next to the inference code in `ml`, an endpoint's staged /opt/ml; `model`:
    where its model's directory is, if it is elsewhere."""
    submit = environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "").removeprefix("file://")
    folders = [("code",), _inside(submit), ("model", "code"), ("model",)]
    if submit.startswith("/") and not _inside(submit):
        return None
    program = environ.get("SAGEMAKER_PROGRAM") or "inference.py"
    parts = _parts(program)
    with dirfd.opened(ml) as fd, dirfd.opened(model or ml) as own:

        def at(folder: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
            return (own, folder[1:]) if model and folder[0] == "model" else (fd, folder)

        for folder in folders:
            if folder and parts:
                top, place = at(folder)
                if dirfd.read_small(top, (*place, *parts), 1) is not None:
                    return _with_its_sdk(top, (*place, *parts[:-1]))
        # the image's default inference code may be meant, which has its requirements there too
        top, place = at(("model", "code", FILE))
        return _text(fd, ("code", FILE)) or _text(top, place)


def _with_its_sdk(top: int, folder: tuple[str, ...]) -> str | None:
    """The requirements in `folder` under `top`; of a model that SDK v2's ModelBuilder packed, with an
    SDK v2.

    It asks for `sagemaker[huggingface]>=2.199` (its detector/dependency_manager.py), and what it
    pickled names modules that v3 has not. Some of the versions in between lack a requirement of their
    own: it is as new as notebooks' SDK.
    """
    text = _text(top, (*folder, FILE))
    if text and dirfd.read_small(top, (*folder, PICKLED), 1) is not None:
        newest = locks.pins(locks.text(Path(), "sagemaker2"))["sagemaker"]
        return _SDK_V2.sub(rf"\g<1>>={newest},<3", text)
    return text


def of_processing(doc: Doc, ml: Path) -> str | None:
    """The requirements that the script of an SDK's FrameworkProcessor will install, if that is what
    runs in the staged `ml`: it unpacks `sourcedir.tar.gz` and lets pip install a file of it."""
    entry = doc["AppSpecification"].get("ContainerEntrypoint") or ("",)
    with dirfd.opened(ml) as fd:
        script = _text(fd, _inside(entry[-1])) if _inside(entry[-1]) else None
    if not script or not _UNPACKS.search(script) or _LOGS_IN.search(script):
        return None
    folder, file = _ENTERS.search(script), _INSTALLS.search(script)
    parts = _parts(file[1]) if file else ()
    place = _inside(folder[1]) if folder else ()
    archived = ml.joinpath(*place, PACKED)
    if not parts or not place or not archived.is_file():
        return None
    try:
        blob = Blob(archived.stat().st_size, archived)
        return _decode(archive.member(blob, "/".join(parts), LIMIT, CAPS))
    except (archive.ArchiveError, OSError):
        return None


def _of_drivers(ml: int) -> str | None:
    """What SDK v3's training script will install, where that is what runs."""
    try:
        source = json_of(dirfd.read_small(ml, DRIVERS, LIMIT) or b"null")
    except ValueError:
        return None
    name = source.get("requirements") if isinstance(source, dict) else None
    if not isinstance(name, str) or not name:
        return None
    parts = _parts(FILE if name == "auto" else name)
    return _text(ml, (*CODE, *parts)) if parts else None


def _in_archive(ctx: Ctx, address: str) -> str | None:
    """The file at the root of a code archive on S3; None for a faulty one, which the job reports."""
    try:
        bucket, key = sources.split(address)
        blob = sources.wherever(ctx, bucket, key)
        return _decode(archive.member(blob, FILE, LIMIT, CAPS))
    except (AwsError, sources.StageError, archive.ArchiveError):
        return None


def _text(ml: int, parts: tuple[str, ...]) -> str | None:
    found = dirfd.read_small(ml, parts, LIMIT + 1)
    return None if found is None or len(found) > LIMIT else _decode(found)


def _decode(found: bytes | None) -> str | None:
    try:
        return found.decode("utf-8-sig") if found is not None else None
    except UnicodeDecodeError:
        return None


def _inside(path: str) -> tuple[str, ...]:
    """The parts of a path below /opt/ml; () for any other."""
    path = path.removeprefix("file://")
    return _parts(path.removeprefix("/opt/ml/")) if path.startswith("/opt/ml/") else ()


def _parts(path: str) -> tuple[str, ...]:
    """The parts of a relative path that stays where it is; () for any other."""
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    return () if path.startswith("/") or ".." in parts or "\0" in path else parts


def _decoded(value: Any) -> str:
    """A hyperparameter as text: SDKs send JSON in strings."""
    try:
        found = json_of(value)
    except (ValueError, TypeError):
        found = value
    return found if isinstance(found, str) else ""
