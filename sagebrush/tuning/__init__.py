"""Hyperparameter tuning without I/O: spaces, strategies, when to stop, what mattered."""
