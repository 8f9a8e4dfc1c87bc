"""Continuous growth and pruning (CGaP) for continual learning, as an Avalanche plugin."""
