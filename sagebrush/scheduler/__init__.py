"""Who gets which part of the host, and when."""
