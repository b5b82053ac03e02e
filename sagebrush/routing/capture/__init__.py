"""Data capture: what endpoints were asked and what they answered, as JSON Lines in S3."""
