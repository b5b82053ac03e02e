"""Personally identifiable information: every type of DetectPiiEntities, by rules and by what a model adds."""

from .finding import contains, find
from .redaction import Mode, redact
from .types import LANGUAGES, TYPES

__all__ = ["LANGUAGES", "TYPES", "Mode", "contains", "find", "redact"]
