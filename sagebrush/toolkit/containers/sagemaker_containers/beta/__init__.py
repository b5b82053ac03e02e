"""The part of SageMaker Containers that scripts import."""
