"""How one fleet of an endpoint takes the place of another: its policy, its traffic, the way back."""
