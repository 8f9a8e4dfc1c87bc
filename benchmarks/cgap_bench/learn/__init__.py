"""What learns from which data? Datasets, streams, networks, methods."""
