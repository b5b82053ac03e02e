"""TrainingEnv."""

from sagemaker_training.environment import Environment

TrainingEnv = Environment
__all__ = ["TrainingEnv"]
