"""Flywheels: data sets of a model in a data lake, and iterations that train and evaluate its next version."""
