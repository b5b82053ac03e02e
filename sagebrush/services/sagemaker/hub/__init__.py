"""JumpStart's public hub: the pages of the models that run here. Other hubs there are none."""
