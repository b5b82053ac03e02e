"""The environment `algorithms` for algorithm tests."""

from tests.built_environments import algorithms

__all__ = ["algorithms"]
