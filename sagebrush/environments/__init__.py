"""Image URI to environment: pinned virtual environments, built once."""
