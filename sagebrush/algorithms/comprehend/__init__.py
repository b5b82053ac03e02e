"""What answers for Comprehend: its model server's functions, and the program of its jobs."""
