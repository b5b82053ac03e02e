"""What answers elsewhere than at the API's ports."""
