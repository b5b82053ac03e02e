"""Document classifiers: their training data in AWS's forms, logistic regression, metrics."""
