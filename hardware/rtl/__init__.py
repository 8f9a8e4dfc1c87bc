"""Simulate and synthesise the arrays of this folder from Python (not shipped in the wheel)."""
