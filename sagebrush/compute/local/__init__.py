"""Jobs as processes of this machine, in sandboxes."""
