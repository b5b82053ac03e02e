"""AWS Lambda: functions, their versions, layers and permissions, and how they are invoked."""
