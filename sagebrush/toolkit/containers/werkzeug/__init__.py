"""`werkzeug.wrappers.Response`, which inference scripts return: AWS's scikit-learn and XGBoost images
have Flask. The real package comes first where it is installed; its other parts are not here."""
