"""Targets of deliveries: the call that each stands for, who makes it, and how it may fail."""
