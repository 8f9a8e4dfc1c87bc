"""Fixed-point words, by hand."""

import pytest
import torch
from torch import nn

from cgap_bench.errors import UsageError
from cgap_bench.export.fixed_point import FixedPoint, in_words, words_for
from cgap_bench.export.plain import plain


def linear(weight, bias):
    layer = nn.Linear(len(weight), 1)
    layer.weight = nn.Parameter(torch.tensor([weight]))
    layer.bias = nn.Parameter(torch.tensor([bias]))
    return nn.Sequential(layer)


def test_inputs_and_results_are_rounded_down_weights_to_the_nearest_sums_are_not():
    """0.75 * 0.25 + 0.25 * 0.25 + 0.25 = 0.5, though neither product is a multiple of 1/4."""
    words = FixedPoint(bits=6, integer=4)
    x = torch.tensor([[0.49, 0.26], [-0.01, 0.0]])
    graph = plain(linear([0.74, 0.3], 0.2), x)
    assert in_words(graph, words, x).flatten().tolist() == [0.5, 0.0]


def test_a_norm_on_its_own_is_a_product_and_a_sum():
    norm = nn.BatchNorm1d(1).eval()
    norm.running_mean.fill_(1.0)
    norm.running_var.fill_(4.0)
    norm.weight.data.fill_(1.0)
    x = torch.tensor([[3.0], [0.5]])
    graph = plain(nn.Sequential(norm), x)
    # 0.5 x - 0.5; the scale is a little below 0.5 (eps), and 0.5 the nearest word
    found = in_words(graph, FixedPoint(bits=8, integer=5), x).flatten().tolist()
    assert found == [1.0, -0.25]


@pytest.mark.parametrize(("largest", "integer"), [(0.3, 2), (1.0, 3), (1.9, 3), (100.0, 9)])
def test_words_hold_twice_what_was_seen(largest, integer):
    """Sign, guard, and the bits of the largest map: 100 needs 7."""
    x = torch.tensor([[largest]])
    words = words_for(plain(linear([0.1], 0.0), x), x, bits=16)
    assert words == FixedPoint(16, integer)
    assert 2 ** (words.integer - 1) >= 2 * largest * 0.999


def test_words_without_bits_behind_the_point_are_refused():
    x = torch.tensor([[100.0]])
    graph = plain(linear([0.1], 0.0), x)
    with pytest.raises(UsageError, match="100 need more than 9 bits a word, got 9"):
        words_for(graph, x, bits=9)
