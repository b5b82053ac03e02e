"""Personally identifiable information: every type of DetectPiiEntities, by rules and by what a model adds."""

from sagebrush.nlp.pii.finding import contains, find
from sagebrush.nlp.pii.redaction import Mode, redact
from sagebrush.nlp.pii.types import LANGUAGES, TYPES

__all__ = ["LANGUAGES", "TYPES", "Mode", "contains", "find", "redact"]
