"""The exceptions of inference functions, with the HTTP status that each is to have."""

from __future__ import annotations

from sagemaker_inference._formats import formats

UnsupportedFormatError = formats.UnsupportedFormat


class BaseInferenceToolkitError(Exception):
    """A failure with the HTTP status that it is to have."""

    def __init__(self, status_code: int, message: str = "", phrase: str | None = None) -> None:
        super().__init__(message or phrase or "")
        self.status_code = status_code
        self.phrase = phrase


GenericInferenceToolkitError = BaseInferenceToolkitError
