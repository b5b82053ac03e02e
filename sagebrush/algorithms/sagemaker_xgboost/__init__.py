"""XGBoost as Amazon SageMaker's built-in algorithm: the package `xgboost` behind AWS's contract."""
