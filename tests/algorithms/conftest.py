"""The base environment for algorithm tests."""

from tests.base_environment import base

__all__ = ["base"]
