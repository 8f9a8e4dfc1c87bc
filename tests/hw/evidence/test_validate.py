"""Errors on published layer latencies."""

import pytest

from cgap_hw.arrays import flat_stages
from cgap_hw.evidence.measured import read_measured
from cgap_hw.evidence.validate import (
    HARD,
    leave_one_out,
    network_errors,
    price_rows,
    summary,
)


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def left_out(published_layers):
    """What was left out -> errors on it."""
    return {what: leave_one_out(published_layers, what) for what in ("network", "accelerator")}


@pytest.mark.parametrize(
    ("what", "n_rows", "mape", "worst", "networks"),
    [("network", 156, 0.11, 2.2, 0.011), ("accelerator", 236, 0.15, 3.2, 0.03)],
)
def test_errors_on_unseen_shapes_have_not_grown(left_out, what, n_rows, mape, worst, networks):
    found = left_out[what]
    assert found["unseen conv"].rows == n_rows
    assert found["unseen conv"].mape_pct <= mape
    assert found["unseen conv"].worst_pct <= worst
    assert found["networks"].mape_pct <= networks


WEIGHTS, STRIDED = HARD


@pytest.mark.parametrize(("what", "worst"), [("network", 0.15), ("accelerator", 0.25)])
def test_hard_layers_are_predicted_where_nothing_like_them_was_fitted(left_out, what, worst):
    found = left_out[what]
    assert (found[WEIGHTS].rows, found[STRIDED].rows) == (40, 32)
    assert max(found[WEIGHTS].worst_pct, found[STRIDED].worst_pct) <= worst


def test_the_queue_is_no_fit(published_layers, left_out, monkeypatch):
    """Its length is the source's: it shows with the only array that feels it left out."""
    monkeypatch.setattr(flat_stages, "READ_AHEAD_LINES", 10**9)
    endless = leave_one_out(published_layers, "accelerator")[STRIDED]
    assert endless.worst_pct > 1.5 * left_out["accelerator"][STRIDED].worst_pct
