"""Many models in one server, loaded and unloaded on demand: AWS's contract of multi-model containers."""
