"""What training scripts import from AWS's Training Toolkit: environment, params, logging_config."""
