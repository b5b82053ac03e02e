"""The environments `algorithms` and `pytorch` for algorithm tests."""

from tests.built_environments import algorithms, pytorch

__all__ = ["algorithms", "pytorch"]
