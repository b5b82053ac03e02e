"""encode and decode."""

from sagemaker_inference.decoder import decode
from sagemaker_inference.encoder import encode

__all__ = ["decode", "encode"]
