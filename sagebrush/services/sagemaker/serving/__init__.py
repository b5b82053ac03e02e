"""Model containers as endpoints and batch transform jobs run them."""
