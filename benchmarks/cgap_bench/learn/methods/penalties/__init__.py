"""Penalties on moving weights that old tasks need, as Avalanche plugins."""
