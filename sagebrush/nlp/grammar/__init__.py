"""Dates and quantities by rules: DetectEntities' DATE and QUANTITY in English text."""

from .dates import dates
from .quantities import quantities

__all__ = ["dates", "quantities"]
