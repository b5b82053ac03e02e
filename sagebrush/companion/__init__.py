"""The process beside a job that brings it its input: by FIFOs and by a file system. Standard library only."""
