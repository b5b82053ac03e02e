"""Who may do what: IAM's policies, the actions of operations, and the call itself."""
