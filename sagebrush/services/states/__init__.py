"""AWS Step Functions (botocore's `stepfunctions`): state machines whose executions really run."""
