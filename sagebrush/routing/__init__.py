"""Routes to endpoints and notebooks: in memory, rebuilt from rows and the backend when lost."""
