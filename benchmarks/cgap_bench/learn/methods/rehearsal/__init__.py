"""What is kept of old tasks, images or outputs, and how training uses it: Avalanche plugins."""
