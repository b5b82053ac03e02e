"""Connections to ports inside sandboxes, and HTTP over them."""
