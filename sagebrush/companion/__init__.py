"""The process that supplies a job's input by FIFOs and by a file system. Standard library only."""
