"""Which requirements.txt a job has, and which of them can be layered."""

from __future__ import annotations

import io
import json
import re
import tarfile
import time
from pathlib import Path

import pytest

from sagebrush.store.objects import Blob
from sagebrush.workload import archive, requirements
from sagebrush.workload.archive import ArchiveError, Caps
from tests.services.sagemaker.doubles import archive as tar_gz
from tests.services.sagemaker.jobworld import JobWorld


@pytest.mark.parametrize(
    "line",
    [
        "emoji",
        "pandas<3",
        "pandas >= 2, < 3  # why",
        "uvicorn[standard]==0.30.0",
        "tomli; python_version < '3.11'",
        "a==1; sys_platform == 'linux'",
        "torch ~= 2.1",
        "a (>=1.0)",
        "--extra-index-url https://index.example/simple\nemoji",
        "-f https://index.example/wheels\nemoji",
        "--pre\nemoji",
        "--no-binary=emoji\nemoji",
        "emoji==\\\n2.0",
        "\ufeffemoji".removeprefix("\ufeff"),
    ],
)
def test_packages_of_an_index_are_layered(line: str) -> None:
    assert requirements.wanted(line)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "# nothing",
        ".",
        "./lib",
        "../lib",
        "/opt/ml/code/lib",
        "lib/",
        "mine-1.0-py3-none-any.whl",
        "mine.tar.gz",
        "-e .",
        "-r more.txt",
        "-c pins.txt",
        "--requirement=more.txt",
        "file:///opt/wheels/a.whl",
        "mine @ file:///opt/mine",
        "mine @ https://example.com/mine.zip",
        "git+https://example.com/mine.git",
        "--find-links wheels",
        "-f file:///wheels",
        "--extra-index-url https://${TOKEN}@index.example/simple",
        "emoji==2.0 --hash=sha256:00",
        "--require-hashes",
        "emoji\n./lib",
    ],
)
def test_what_only_the_job_can_install_is_not(line: str) -> None:
    assert not requirements.wanted(line)


def test_a_job_that_configures_pip_itself_is_left_to_pip() -> None:
    assert not requirements.wanted("emoji", {"PIP_INDEX_URL": "https://index.example/simple"})
    assert not requirements.wanted("emoji", {"CA_REPOSITORY_ARN": "arn"})
    assert requirements.wanted("emoji", {"HF_TASK": "text-classification"})


def test_a_hostile_line_takes_no_time() -> None:
    began = time.process_time()
    for text in ("a" + " " * 200_000 + "\x01", "a" * 200_000 + "\x01", "a[" + "," * 200_000):
        assert not requirements.wanted(text)
    assert time.process_time() - began < 2.0


# ---- where the file is


@pytest.fixture
def world(tmp_path: Path) -> JobWorld:
    return JobWorld(tmp_path)


def training(world: JobWorld, submit: str, **changes: object) -> str | None:
    parameters = {
        "sagemaker_program": json.dumps("train.py"),
        "sagemaker_submit_directory": json.dumps(submit),
    }
    doc = world.request(**{"HyperParameters": parameters, **changes})
    (world.home / "ml").mkdir(exist_ok=True)
    return requirements.of_training(world.ctx, doc, world.home / "ml")


def test_script_mode_has_it_at_the_root_of_its_archive(world: JobWorld) -> None:
    objects = world.s3.buckets["bucket"]
    objects["code.tar.gz"] = tar_gz({"lib/requirements.txt": "no", "requirements.txt": "emoji"})
    assert training(world, "s3://bucket/code.tar.gz") == "emoji"
    objects["dot.tar.gz"] = tar_gz({"./requirements.txt": "emoji"})
    assert training(world, "s3://bucket/dot.tar.gz") == "emoji"
    assert training(world, "s3://bucket/none.tar.gz") is None
    objects["bad.tar.gz"] = b"no archive"
    assert training(world, "s3://bucket/bad.tar.gz") is None
    objects["large.tar.gz"] = tar_gz({"requirements.txt": "#" * (requirements.LIMIT + 1)})
    assert training(world, "s3://bucket/large.tar.gz") is None
    assert training(world, "s3://bucket/code.tar.gz", HyperParameters={}) is None, "no script mode"


def test_the_environment_may_name_program_and_archive(world: JobWorld) -> None:
    world.s3.buckets["bucket"]["code.tar.gz"] = tar_gz({"requirements.txt": "emoji"})
    own = {
        "SAGEMAKER_PROGRAM": "train.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": "s3://bucket/code.tar.gz",
    }
    assert training(world, "", HyperParameters={}, Environment=own) == "emoji"


def test_code_in_a_channel_is_found_and_links_are_not_followed(world: JobWorld) -> None:
    code = world.home / "ml" / "input" / "data" / "code"
    code.mkdir(parents=True)
    (code / "requirements.txt").write_text("emoji")
    assert training(world, "/opt/ml/input/data/code") == "emoji"
    assert training(world, "file:///opt/ml/input/data/code") == "emoji"
    assert training(world, "/opt/ml/input/../../secret") is None
    (world.home / "secret").write_text("secret")
    (code / "requirements.txt").unlink()
    (code / "requirements.txt").symlink_to(world.home / "secret")
    assert training(world, "/opt/ml/input/data/code") is None


def test_sdk_v3_names_it_in_its_configuration(world: JobWorld) -> None:
    data = world.home / "ml" / "input" / "data"
    (data / "sm_drivers").mkdir(parents=True)
    (data / "code" / "deps").mkdir(parents=True)
    (data / "code" / "requirements.txt").write_text("emoji")
    (data / "code" / "deps" / "more.txt").write_text("humanize")
    spec = {
        "TrainingImage": "image",
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/bash"],
    }
    for named, text in (
        ("requirements.txt", "emoji"),
        ("auto", "emoji"),
        ("./deps/more.txt", "humanize"),
        ("../sm_drivers/x", None),
        (None, None),
    ):
        source = json.dumps({"requirements": named})
        (data / "sm_drivers" / "sourcecode.json").write_text(source)
        assert training(world, "", AlgorithmSpecification=spec) == text
    (data / "sm_drivers" / "sourcecode.json").write_text("{")
    assert training(world, "", AlgorithmSpecification=spec) is None


def test_an_endpoint_has_it_beside_its_inference_code(tmp_path: Path) -> None:
    def put(name: str, text: str = "") -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    def found(**environ: str) -> str | None:
        return requirements.of_serving(environ, tmp_path)

    (tmp_path / "model").mkdir()
    assert found() is None
    put("model/code/requirements.txt", "default")
    assert found() == "default", "the image's own inference code"
    put("model/inference.py")
    put("model/requirements.txt", "beside")
    assert found() == "beside"
    put("model/code/inference.py")
    assert found() == "default"
    put("code/serve/run.py")
    put("code/serve/requirements.txt", "submitted")
    assert found(SAGEMAKER_PROGRAM="serve/run.py") == "submitted"
    put("model/own/inference.py")
    put("model/own/requirements.txt", "own")
    assert found(SAGEMAKER_SUBMIT_DIRECTORY="/opt/ml/model/own") == "own"
    assert found(SAGEMAKER_SUBMIT_DIRECTORY="/elsewhere") is None


def test_what_sdk_v2_packed_gets_an_sdk_v2(tmp_path: Path) -> None:
    code = tmp_path / "model" / "code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text("")
    asked = "torch==2.5.1\nsagemaker[huggingface]>=2.199\n"
    (code / "requirements.txt").write_text(asked)
    assert requirements.of_serving({}, tmp_path) == asked, "a user's own"
    (code / "serve.pkl").write_bytes(b"packed")
    bound = requirements.of_serving({}, tmp_path)
    assert bound
    assert re.fullmatch(r"torch==2.5.1\nsagemaker\[huggingface\]>=2\.[\d.]+,<3\n", bound)
    (code / "requirements.txt").write_text("sagemaker>=3\nsagemaker-core>=2.1\n")
    assert requirements.of_serving({}, tmp_path) == "sagemaker>=3\nsagemaker-core>=2.1\n"


# ---- one member of an archive


def test_the_later_member_counts_and_a_link_is_none() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for text in (b"one", b"two"):
            info = tarfile.TarInfo("a.txt")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
        link = tarfile.TarInfo("b.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    blob = Blob(len(out.getvalue()), data=out.getvalue())
    assert archive.member(blob, "a.txt", 100) == b"two"
    assert archive.member(blob, "a.txt", 2) is None
    assert archive.member(blob, "b.txt", 100) is None
    assert archive.member(blob, "c.txt", 100) is None
    with pytest.raises(ArchiveError, match="more than 2 members"):
        archive.member(blob, "a.txt", 100, Caps(members=2))
    cut = Blob(700, data=out.getvalue()[:700])
    with pytest.raises(ArchiveError, match="not a complete tar archive"):
        archive.member(cut, "a.txt", 100)


V2 = """
cd /opt/ml/processing/input/code/
tar -xzf sourcedir.tar.gz

set -e

if [[ -f 'requirements.txt' ]]; then
    if ! hash aws 2>/dev/null; then
        echo "AWS CLI is not installed. Skipping CodeArtifact login."
    else
        echo 'CodeArtifact repository not specified. Skipping login.'
    fi

    pip uninstall --yes typing

    python -m pip install -r requirements.txt
fi

python process.py "$@"
"""
"""FrameworkProcessor's script, as SDK v2 writes it."""
V3 = """#!/bin/bash
set -e
cd /opt/ml/processing/input/code/

if [ -f sourcedir.tar.gz ]; then
    tar -xzf sourcedir.tar.gz
else
    exit 1
fi

if [[ -f 'conf/needs.txt' ]]; then
    pip uninstall --yes typing

    python3 /opt/ml/processing/input/code/install_requirements.py conf/needs.txt
fi

python3 process.py "$@"
"""
"""The same of SDK v3."""
LOGIN = V2.replace("echo 'CodeArtifact", "aws codeartifact login --tool pip # '")


def processing(tmp_path: Path, script: str, files: dict[str, str], entry: str = "") -> str | None:
    """What a processing job with this staged script and code installs."""
    inputs = tmp_path / "processing" / "input"
    for folder in ("code", "entrypoint"):
        (inputs / folder).mkdir(parents=True)
    (inputs / "entrypoint" / "runproc.sh").write_text(script)
    if files:
        (inputs / "code" / "sourcedir.tar.gz").write_bytes(tar_gz(files))
    entry = entry or "/opt/ml/processing/input/entrypoint/runproc.sh"
    doc = {"AppSpecification": {"ContainerEntrypoint": ["/bin/bash", entry]}}
    return requirements.of_processing(doc, tmp_path)


@pytest.mark.parametrize(
    ("script", "file"), [(V2, "requirements.txt"), (V3, "conf/needs.txt")], ids=["v2", "v3"]
)
def test_a_framework_processors_script_says_what_it_installs(
    tmp_path: Path, script: str, file: str
) -> None:
    assert processing(tmp_path, script, {"process.py": "", file: "emoji\n"}) == "emoji\n"


@pytest.mark.parametrize(
    ("script", "files", "entry"),
    [
        ("python process.py", {"requirements.txt": "emoji\n"}, ""),
        (V2, {}, ""),
        (V2, {"process.py": ""}, ""),
        (V3, {"requirements.txt": "emoji\n"}, ""),
        (V3.replace("conf/", "../conf/"), {"requirements.txt": "emoji\n"}, ""),
        (V2.replace("/opt/ml/processing/input/code/", "/tmp"), {"requirements.txt": "emoji"}, ""),
        (LOGIN, {"requirements.txt": "emoji\n"}, ""),
        (V2, {"requirements.txt": "emoji\n"}, "/usr/bin/runproc.sh"),
    ],
    ids=[
        "no unpacking",
        "no archive",
        "no file",
        "another",
        "outside",
        "elsewhere",
        "login",
        "own",
    ],
)
def test_other_scripts_are_left_to_themselves(
    tmp_path: Path, script: str, files: dict[str, str], entry: str
) -> None:
    assert processing(tmp_path, script, files, entry) is None


def test_a_broken_archive_is_left_to_the_job(tmp_path: Path) -> None:
    assert processing(tmp_path, V2, {"requirements.txt": "emoji\n"}) == "emoji\n"
    packed = tmp_path / "processing" / "input" / "code" / "sourcedir.tar.gz"
    packed.write_bytes(packed.read_bytes()[:40])
    entry = ["/bin/bash", "/opt/ml/processing/input/entrypoint/runproc.sh"]
    doc = {"AppSpecification": {"ContainerEntrypoint": entry}}
    assert requirements.of_processing(doc, tmp_path) is None
    assert requirements.of_processing({"AppSpecification": {}}, tmp_path) is None


def test_a_base_model_that_is_a_package_is_a_requirement(tmp_path: Path) -> None:
    channel = tmp_path / "input" / "data" / "model"
    assert requirements.of_base_model(tmp_path) is None
    channel.mkdir(parents=True)
    told = {"model_id": "tc-x", "key": "training/train-tc-x.tar.gz", "package": "x-model==1.0"}
    (channel / "train-tc-x.tar.gz").write_bytes(tar_gz({"reference.json": json.dumps(told)}))
    package, helps = requirements.of_base_model(tmp_path) or ("", "")
    assert package == "x-model==1.0"
    assert "samples add jumpstart-cache-prod-REGION/training/train-tc-x.tar.gz" in helps
    for other in (
        tar_gz({"reference.json": json.dumps({**told, "package": "-e /etc"})}),
        tar_gz({"reference.json": json.dumps({"model_id": "tc-x", "hub": "a/b"})}),
        tar_gz({"reference.json": "["}),
        tar_gz({"reference.json": "[" * 20_000}),
        tar_gz({"config.json": "{}"}),
        b"no archive",
    ):
        (channel / "train-tc-x.tar.gz").write_bytes(other)
        assert requirements.of_base_model(tmp_path) is None
