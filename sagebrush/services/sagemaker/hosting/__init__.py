"""Models, endpoint configurations, endpoints and what serves them."""
