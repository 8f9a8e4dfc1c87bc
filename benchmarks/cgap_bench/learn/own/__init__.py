"""What is a user's own code? Which files it is made of, and what went wrong in it."""
