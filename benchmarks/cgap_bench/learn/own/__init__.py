"""What does a user bring? Whose code and data they are, and whether they have changed."""
