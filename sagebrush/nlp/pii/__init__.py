"""Personally identifiable information: every type of DetectPiiEntities, by rules and by what a model adds."""

from .finding import find
from .redaction import Mode, redact
from .types import TYPES

__all__ = ["TYPES", "Mode", "find", "redact"]
