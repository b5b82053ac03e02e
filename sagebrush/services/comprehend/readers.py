"""DocumentReaderConfig: how text is read from files.

Source: API reference, DocumentReaderConfig. Text is read from what files say themselves. Text recognition in
pictures, for which AWS asks Amazon Textract, is not offered.
"""

from __future__ import annotations

from sagebrush.errors import Doc
from sagebrush.services.comprehend import requests


def check(config: Doc | None) -> None:
    """Returns for a configuration whose members fit. Raises InvalidRequestException."""
    config = config or {}
    whole = config.get("DocumentReadAction") == "TEXTRACT_ANALYZE_DOCUMENT"
    if whole and not config.get("FeatureTypes"):
        requests.refuse(
            "FeatureTypes must be given where DocumentReadAction is TEXTRACT_ANALYZE_DOCUMENT."
        )


def require_offered(config: Doc | None) -> None:
    """Returns for a configuration that can be followed: what applies to pictures alone changes nothing for
    other files. Raises InvalidRequestException."""
    if (config or {}).get("DocumentReadMode") == "FORCE_DOCUMENT_READ_ACTION":
        requests.refuse(
            "DocumentReadMode FORCE_DOCUMENT_READ_ACTION asks Amazon Textract to recognise the text of"
            " every page, which is not offered here: with SERVICE_DEFAULT the text is read from PDF and"
            " Word files themselves."
        )
