"""What Task states call: resources as calls of this server's operations, and their answers."""
