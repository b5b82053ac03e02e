"""What AWS's own models say: names, shapes, constraints. Knows no wire."""
