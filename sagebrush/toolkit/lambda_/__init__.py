"""What runs in a function's execution environment: the Python runtime of Lambda."""
