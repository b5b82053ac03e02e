"""What scripts import from SageMaker Containers, the older name of AWS's toolkits."""
