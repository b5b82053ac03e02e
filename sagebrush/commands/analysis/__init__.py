"""What `text` asks of Comprehend, and how it is shown."""
