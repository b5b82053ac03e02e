"""Event patterns: what they say and which events they match. Pure."""
