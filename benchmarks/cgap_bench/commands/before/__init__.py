"""What is said before anything runs? Words that nobody knows, and the plan."""
