"""The environments of built-in algorithms."""

from tests.built_environments import algorithms, released_xgboost, xgboost

__all__ = ["algorithms", "released_xgboost", "xgboost"]
