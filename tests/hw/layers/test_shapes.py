"""Layers as the cost model sees them: counts by hand, and what makes no sense."""

import pytest

from cgap_hw import (
    LayerShape,
)
from cgap_hw.layers.shapes import total_macs
from cgap_hw.layers.table import LayerTable

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
    of_one_pixel = {"kind": "conv", "n_in": 64, "n_out": 64, "in_h": 56, "in_w": 56}
    of_one_pixel |= {"kernel_h": 3, "kernel_w": 3, "padding_h": 1, "padding_w": 1}
    with pytest.raises(
        ValueError, match=r"out_h=1 is less than in_h=56, .* \(55\); is it left"
    ):
        LayerShape(name="a", **of_one_pixel)
    with pytest.raises(ValueError, match=r"out_h=1 is less than in_h=56"):
        LayerShape(name="a", **(of_one_pixel | {"kind": "pool"}))
    with pytest.raises(ValueError, match="groups=3 must divide"):
        LayerShape(name="x", kind="conv", n_in=4, n_out=4, groups=3)


def test_a_matrix_product_reads_what_it_multiplies_with():
    """Attention of 4 heads, 580 tokens, 128 channels a head: scores are 580 x 128 x 580."""
    scores = LayerShape(
        name="scores", kind="matmul", n_in=512, n_out=4 * 580, in_h=580, out_h=580, groups=4
    )
    assert scores.macs == 4 * 580 * 128 * 580
    assert (scores.operand_words, scores.n_weights, scores.parameters) == (4 * 128 * 580, 0, 0)
    table = LayerTable.of([scores])
    assert (table.macs[0], table.weights[0]) == (scores.macs, scores.operand_words)
    assert table.stored_weights[0] == 0


def test_items_of_a_batch_share_their_weights():
    eight = CONV.model_copy(update={"batch": 8})
    table = LayerTable.of([CONV, eight])
    assert eight.macs == 8 * CONV.macs == table.macs[1]
    assert eight.n_weights == CONV.n_weights == table.weights[1]
    assert table.pixels_out[1] == eight.output_words == 8 * CONV.output_words
