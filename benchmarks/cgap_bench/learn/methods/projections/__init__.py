"""Weights may move only where the inputs of old tasks do not look: Avalanche plugins."""
