"""Metric maths and SEARCH: expressions over series."""
