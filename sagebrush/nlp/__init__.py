"""Natural language processing of Amazon Comprehend's tasks: pure, and in a process of its own, never the server's."""
