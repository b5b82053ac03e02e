"""Models, endpoint configurations, endpoints and the replicas that serve them."""
