"""What drives a batch transform job: objects into records and requests, the model's answers into objects."""
