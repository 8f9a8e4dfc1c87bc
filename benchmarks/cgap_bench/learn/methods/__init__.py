"""The methods that can be compared: one module per family, each registers what it brings."""
