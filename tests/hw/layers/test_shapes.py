"""Layers as the cost model sees them: counts by hand, and what makes no sense."""

import pytest

from cgap_hw import (
    LayerShape,
)
from cgap_hw.layers.shapes import total_macs

CONV = LayerShape(
    name="conv",
    kind="conv",
    n_in=64,
    n_out=100,
    in_h=14,
    in_w=14,
    out_h=14,
    out_w=14,
    kernel_h=3,
    kernel_w=3,
    padding_h=1,
    padding_w=1,
    bias=True,
)


LINEAR = LayerShape(name="head", kind="linear", n_in=4900, n_out=10, bias=True)


POOL = LayerShape(
    name="pool",
    kind="pool",
    n_in=100,
    n_out=100,
    in_h=14,
    in_w=14,
    out_h=7,
    out_w=7,
    kernel_h=2,
    kernel_w=2,
    stride_h=2,
    stride_w=2,
    pool_kind="max",
)


def test_counts_by_hand():
    assert CONV.macs == 64 * 100 * 9 * 14 * 14
    assert (CONV.n_weights, CONV.parameters) == (57600, 57700)
    assert (LINEAR.macs, LINEAR.n_weights, LINEAR.parameters) == (49000, 49000, 49010)
    assert total_macs([CONV, LINEAR]) == CONV.macs + 49000


def test_bad_shapes_are_refused():
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        LayerShape(name="x", kind="conv", n_in=-3, n_out=4)
    with pytest.raises(ValueError, match=r"out_w=9 is more than in_w=4, kernel_w=3 .* \(7\)"):
        LayerShape(
            name="x", kind="conv", n_in=3, n_out=4, in_w=4, out_w=9, kernel_w=3, padding_w=2
        )
    with pytest.raises(ValueError, match="groups=3 must divide"):
        LayerShape(name="x", kind="conv", n_in=4, n_out=4, groups=3)
