"""Amazon Simple Notification Service: topics whose subscriptions are SQS queues and functions."""
