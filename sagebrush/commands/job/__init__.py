"""The subcommands of `sagebrush jobs`: a module for each."""
