"""The names that inference scripts import from AWS's containers, where those packages are absent.

Scripts written for AWS use `sagemaker_inference` (encoder, decoder, content_types) and, older ones,
`sagemaker_containers.beta.framework` (worker.Response, encoders), or Flask's Response: they are in
`toolkit/containers`.
Those for Hugging Face also use `sagemaker_huggingface_inference_toolkit` (decoder_encoder,
content_types). Only these are provided.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

from sagebrush.toolkit import job
from sagebrush.toolkit.serving import formats

HUGGING_FACE = "sagemaker_huggingface_inference_toolkit"


def install(framework: str = "") -> None:
    """The packages can be imported; those that are installed stay as they are."""
    if str(job.CONTAINERS) not in sys.path:
        sys.path.append(str(job.CONTAINERS))
    if framework == "huggingface" and not importlib.util.find_spec(HUGGING_FACE):
        from sagebrush.toolkit.serving.frameworks import codec

        _module(HUGGING_FACE)
        _module(
            f"{HUGGING_FACE}.content_types",
            JSON=formats.JSON,
            CSV=formats.CSV,
            NPY=formats.NPY,
            X_NPY=formats.NPY,
            OCTET_STREAM=formats.OCTETS,
            ANY=formats.ANY,
            UTF8_TYPES=[formats.JSON, formats.CSV],
        )
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


def _module(name: str, **members: Any) -> None:
    module = ModuleType(name)
    module.__dict__.update(members)
    module.__path__ = []  # a package: the next one lies in it
    sys.modules[name] = module
    parent, _, own = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], own, module)
