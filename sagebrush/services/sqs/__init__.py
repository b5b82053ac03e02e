"""Amazon Simple Queue Service: standard queues over `store.messages`."""
