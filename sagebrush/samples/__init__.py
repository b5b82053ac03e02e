"""AWS's public sample buckets: which they are, reading them without credentials, keeping what was read."""
