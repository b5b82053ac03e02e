"""Inference experiments: shadow tests of a model on an endpoint."""
