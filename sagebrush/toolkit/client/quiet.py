"""What the SDKs would say or send only because Sagebrush answers: neither is said, nothing is sent.

botocore tells at INFO that an endpoint comes from a variable, the SageMaker SDKs that a default comes
from the configuration that `sagebrush env` and sandboxes name; the SDKs switch both on. Loggers keep
everything else, and all of it where someone debugs them. Standard library only.
"""

from __future__ import annotations

import logging
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOGGERS = (
    "botocore.configprovider",
    "botocore.credentials",
    "aiobotocore.credentials",
    "sagemaker.config",
)
FOUND = ("Found endpoint for ", "Found credentials ")
"""How botocore's lines begin."""
KEYS = ("Session.DefaultS3Bucket", "TelemetryOptOut")
"""What the SDKs' configuration sets (`clientdata.py`), below SageMaker.PythonSDK.Modules."""
TELEMETRY = (
    "sagemaker.telemetry.telemetry_logging",
    "sagemaker.core.telemetry.telemetry_logging",
    "sagemaker.serve.utils.telemetry_logger",
)
"""The SDKs' modules that report each call to a bucket of AWS's by `_requests_helper`."""


def begin() -> None:
    """The loggers leave those lines out."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(said)


def said(record: logging.LogRecord) -> bool:
    """Whether the line is for the user."""
    if record.levelno != logging.INFO:
        return True
    if logging.getLogger(record.name).isEnabledFor(logging.DEBUG):
        return True
    text = record.getMessage()
    if record.name == "sagemaker.config":
        configuration = os.environ.get("SAGEMAKER_USER_CONFIG_OVERRIDE", "")
        folder = os.path.dirname(os.environ.get("SAGEBRUSH_CLIENT_DATA", ""))
        ours = os.path.dirname(configuration) == folder
        return not (ours and (text.endswith(KEYS) or text.endswith(configuration)))
    return not text.startswith(FOUND)


def silence(module: Any) -> None:
    """A telemetry module sends nothing, whatever configuration its session has."""
    if hasattr(module, "_requests_helper"):
        module._requests_helper = unsent


def unsent(_url: str, _timeout: float) -> None:
    """In place of the request."""
