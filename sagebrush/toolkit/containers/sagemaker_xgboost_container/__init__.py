"""What XGBoost scripts import from AWS's container: checkpointing, data_utils, distributed, encoder."""
