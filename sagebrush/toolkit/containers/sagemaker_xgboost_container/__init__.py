"""What XGBoost scripts import from AWS's container: data_utils, distributed, encoder."""
