"""The environments of built-in algorithms."""

from tests.built_environments import algorithms, xgboost

__all__ = ["algorithms", "xgboost"]
