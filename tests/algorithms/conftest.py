"""The environments of built-in algorithms."""

from tests.built_environments import algorithms, pytorch, released_xgboost, xgboost

__all__ = ["algorithms", "pytorch", "released_xgboost", "xgboost"]
