"""The names that inference scripts import from AWS's containers, where those packages are absent.

Scripts written for AWS use `sagemaker_inference` (encoder, decoder, content_types) and, older ones,
`sagemaker_containers.beta.framework` (worker.Response, encoders); those for Hugging Face also
`sagemaker_huggingface_inference_toolkit` (decoder_encoder, content_types). Only these are
provided.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from sagebrush.toolkit.serving import formats

CONTENT_TYPES = {
    "JSON": formats.JSON,
    "CSV": formats.CSV,
    "NPY": formats.NPY,
    "OCTET_STREAM": formats.OCTETS,
    "ANY": formats.ANY,
    "UTF8_TYPES": [formats.JSON, formats.CSV],
}


HUGGING_FACE = "sagemaker_huggingface_inference_toolkit"


@dataclass
class Response:
    """`worker.Response`: a body and its type."""

    response: Any = b""
    mimetype: str | None = None
    accept: str | None = None


class ToolkitError(Exception):
    """`errors.GenericInferenceToolkitError`: a failure with the HTTP status that it is to have."""

    def __init__(self, status_code: int, message: str = "", phrase: str | None = None) -> None:
        super().__init__(message or phrase or "")
        self.status_code = status_code
        self.phrase = phrase


def encode(array_like: Any, content_type: str) -> bytes:
    """`array_like` in the format `content_type`; raises UnsupportedFormat (406)."""
    return formats.encode(array_like, content_type)[0]


def install(framework: str = "") -> None:
    """The packages can be imported; those that are installed stay as they are."""
    if framework == "huggingface" and not importlib.util.find_spec(HUGGING_FACE):
        from sagebrush.toolkit.serving.frameworks import codec

        kinds = {**CONTENT_TYPES, "X_NPY": formats.NPY}
        _module(HUGGING_FACE)
        _module(f"{HUGGING_FACE}.content_types", **kinds)
        _module(
            f"{HUGGING_FACE}.decoder_encoder",
            decode=codec.decode,
            encode=lambda content, content_type=formats.JSON: codec.encode(content, content_type)[
                0
            ],
            decode_json=lambda content: codec.decode(content, formats.JSON),
            decode_csv=lambda content: codec.decode(content, formats.CSV),
            encode_json=codec.to_json,
        )
    if not importlib.util.find_spec("sagemaker_inference"):
        _module("sagemaker_inference")
        _module("sagemaker_inference.content_types", **CONTENT_TYPES)
        _module("sagemaker_inference.encoder", encode=encode)
        _module("sagemaker_inference.decoder", decode=formats.decode)
        _module(
            "sagemaker_inference.errors",
            UnsupportedFormatError=formats.UnsupportedFormat,
            BaseInferenceToolkitError=ToolkitError,
            GenericInferenceToolkitError=ToolkitError,
        )
    if not importlib.util.find_spec("sagemaker_containers"):
        _module("sagemaker_containers")
        _module("sagemaker_containers.beta")
        _module("sagemaker_containers.beta.framework")
        framework = "sagemaker_containers.beta.framework"
        _module(f"{framework}.content_types", **CONTENT_TYPES)
        _module(f"{framework}.encoders", encode=encode, decode=formats.decode)
        _module(f"{framework}.worker", Response=Response)


def _module(name: str, **members: Any) -> None:
    module = ModuleType(name)
    module.__dict__.update(members)
    module.__path__ = []  # a package: the next one lies in it
    sys.modules[name] = module
    parent, _, own = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], own, module)
