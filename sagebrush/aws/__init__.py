"""AWS's own models: names, shapes, constraints. Independent of the wire protocols."""
