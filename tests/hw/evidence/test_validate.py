"""Errors on published layer latencies."""

import pytest

from cgap_hw.evidence.measured import read_measured
from cgap_hw.evidence.validate import (
    leave_one_out,
    network_errors,
    price_rows,
    summary,
)


@pytest.fixture
def published_layers(data):
    """Chen and Wu's 856 layers."""
    return read_measured(data / "cnn_accel" / "layers_dev.csv")


def test_errors_on_published_layers_have_not_grown(published_layers):
    """Chen and Wu's 856 layers; the limits are the committed errors, rounded up."""
    priced = price_rows(published_layers)
    found = summary(priced)["by_kind"]
    assert len(published_layers) == 856
    for kind, mape, worst in [
        ("conv", 0.05, 2.2),
        ("pool", 0.2, 1.3),
        ("linear", 1e-6, 1e-5),
        ("add", 1e-6, 1e-5),
    ]:
        assert found[kind]["mape_pct"] <= mape
        assert found[kind]["worst_pct"] <= worst
    assert network_errors(priced).mape_pct <= 0.01


@pytest.mark.parametrize(
    ("what", "n_rows", "mape", "worst", "networks"),
    [("network", 156, 0.11, 2.2, 0.011), ("accelerator", 236, 0.15, 3.2, 0.03)],
)
def test_errors_on_unseen_shapes_have_not_grown(
    published_layers, what, n_rows, mape, worst, networks
):
    found = leave_one_out(published_layers, what)
    assert found["unseen conv"].rows == n_rows
    assert found["unseen conv"].mape_pct <= mape
    assert found["unseen conv"].worst_pct <= worst
    assert found["networks"].mape_pct <= networks
