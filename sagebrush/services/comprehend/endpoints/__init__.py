"""Endpoints of custom models: each is one endpoint of SageMaker, in Comprehend's account."""
