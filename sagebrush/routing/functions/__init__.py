"""Execution environments of Lambda functions: in memory, may be lost."""
