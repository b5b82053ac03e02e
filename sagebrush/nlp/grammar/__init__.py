"""Dates and quantities by rules: DetectEntities' DATE and QUANTITY in English text."""

from sagebrush.nlp.grammar.dates import dates
from sagebrush.nlp.grammar.quantities import quantities

__all__ = ["dates", "quantities"]
