"""Training jobs and their warm pools."""
