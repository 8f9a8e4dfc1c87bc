"""What is a network made of? Blocks of layers, and how they join."""
