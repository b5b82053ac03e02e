"""Packages over a read-only environment."""
