"""Where requests for endpoints and notebooks go: in memory, may be lost."""
