"""What a caller may do: the actions, resources and condition keys of every operation."""
