"""Benchmark runner: which method is better, on which stream, at what price."""
