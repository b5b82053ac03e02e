"""What runs a training script under /opt/ml."""
