"""Amazon EventBridge: buses, rules, targets, and the events that come to them."""
