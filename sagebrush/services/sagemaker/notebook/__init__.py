"""Notebook instances, their lifecycle configurations and code repositories."""
