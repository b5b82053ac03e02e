"""The files that point SDKs at a server, in addition to its variables (see `toolkit/client`).

`data/endpoints.json` is botocore's endpoint table with STS on the server's TLS port, because both
SageMaker SDKs build the STS address from that table. `sagemaker.yaml` is the SDKs' own settings
file: no telemetry (which has no time limit and can hang). Their default bucket is not in it, since
each region and account has its own, which they name by themselves: `sagemaker-REGION-ACCOUNT`.
"""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

CONFIG = """\
# Settings of the SageMaker Python SDKs for this server (SAGEMAKER_USER_CONFIG_OVERRIDE).
SchemaVersion: '1.0'
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
"""


BASE_IMAGE = "236514542706.dkr.ecr.{region}.amazonaws.com/sagemaker-base-python-311:1.0"
"""The image that `@remote` takes where none is given, as in Studio (`SAGEMAKER_INTERNAL_IMAGE_URI`):
elsewhere the SDKs derive one from Python 3.8 and 3.10 alone, and refuse others."""


STS = "localhost:TLS_PORT"


def base_image(region: str) -> str:
    """The URI of the image of plain Python, as `SAGEMAKER_INTERNAL_IMAGE_URI`."""
    return BASE_IMAGE.format(region=region)


def write(folder: Path, tls_port: int) -> None:
    """`folder` holds `data/endpoints.json` and `sagemaker.yaml` for that server; repeatable, quick.

    `tls_port` is where STS answers as `localhost`. Both files are replaced by rename.
    """
    stamp = f"{tls_port} {version('botocore')} {hashlib.sha256(CONFIG.encode()).hexdigest()}\n"
    mark = folder / "stamp"
    if mark.exists() and mark.read_text() == stamp:
        return
    (folder / "data").mkdir(mode=0o700, parents=True, exist_ok=True)
    _replace(folder / "data" / "endpoints.json", endpoints(tls_port))
    _replace(folder / "sagemaker.yaml", CONFIG)
    _replace(mark, stamp)


def with_bucket(folder: Path, bucket: str) -> Path:
    """A settings file of the SDKs with that default bucket: without botocore's table from here they
    would ask AWS's own STS for the account in its name."""
    file = folder / f"sagemaker-{bucket}.yaml"
    text = f"{CONFIG}      Session:\n        DefaultS3Bucket: {bucket}\n"
    if not file.exists() or file.read_text() != text:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(file, text)
    return file


def endpoints(tls_port: int) -> str:
    """botocore's endpoint table as JSON, its STS host name in every region being this machine's."""
    return _endpoints().replace(STS, f"localhost:{tls_port}")


@cache
def _endpoints() -> str:
    """That table with `STS` as the name: it is long, and a server writes it for itself and for jobs."""
    spec = find_spec("botocore")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("botocore is not installed")
    table = json.loads((Path(spec.origin).parent / "data" / "endpoints.json").read_text())
    for partition in table["partitions"]:
        sts = partition["services"].get("sts")
        if sts is not None:
            sts.pop("partitionEndpoint", None)
            sts["defaults"] = {"hostname": STS}
            sts["endpoints"] = {region: {} for region in partition["regions"]}
    return json.dumps(table)


def _replace(file: Path, text: str) -> None:
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(text)
    part.replace(file)
