"""Searches for settings: what is searched, trials on held-out images, what was found."""
