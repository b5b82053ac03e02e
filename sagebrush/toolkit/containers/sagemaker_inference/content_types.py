"""The names of content types."""

from __future__ import annotations

from sagemaker_inference._formats import formats

JSON = formats.JSON
CSV = formats.CSV
NPY = formats.NPY
OCTET_STREAM = formats.OCTETS
ANY = formats.ANY
UTF8_TYPES = [JSON, CSV]
