"""The commands, one module each: `configure(parser)` adds its arguments, `run(args)` does it."""
