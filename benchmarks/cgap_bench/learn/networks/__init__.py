"""Which reference networks are there?  One module a family, each registers what it brings."""
