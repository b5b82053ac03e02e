"""Amazon SageMaker Runtime."""
