"""Servers at other addresses than the API's ports: for notebooks, sandboxes and containers."""
