"""The process that supervises one job. Standard library only."""
