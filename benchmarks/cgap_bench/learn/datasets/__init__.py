"""Which datasets are there?  One module a family, each registers what it brings."""

from cgap_bench.learn.dataset import DATA_VARIABLE, DATASETS, data_root

__all__ = ["DATASETS", "DATA_VARIABLE", "data_root"]
