"""The weight-stationary machine against integers and against the closed form of `cgap_hw`."""

import numpy as np
import pytest

from rtl.comparison import systolic_cycles
from rtl.layers import Conv, random_layer, random_tensors, reference
from rtl.simulator import HOW, available
from rtl.systolic import Systolic, run_systolic

pytestmark = pytest.mark.skipif(not available(), reason=HOW)

SIZES = ((4, 4), (3, 5), (1, 1), (8, 2), (1, 4), (5, 1))


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return tmp_path_factory.mktemp("build")


def check(machine, layer, seed, build):
    operands = random_tensors(np.random.default_rng(seed), layer, machine.bits)
    outcome = run_systolic(machine, layer, operands, build)
    np.testing.assert_array_equal(outcome.output, reference(layer, operands, machine.bits))
    assert outcome.compute == systolic_cycles(layer, machine)
    assert outcome.total == outcome.compute + layer.groups * machine.fill_cycles


def random_case(seed):
    layer = random_layer(np.random.default_rng([4, seed]), largest=9)
    bits, sum_bits = ((16, 48), (8, 32), (8, 32))[seed % 3]
    return Systolic(*SIZES[seed % len(SIZES)], bits, sum_bits), layer


@pytest.mark.parametrize("seed", range(20))
def test_random_layers_are_exact(seed, build):
    check(*random_case(seed), seed, build)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20, 200))
def test_many_random_layers_are_exact(seed, build):
    check(*random_case(seed), seed, build)


def test_a_depthwise_and_a_linear_layer(build):
    check(Systolic(4, 4), Conv(6, 6, 7, 5, 3, 3, 2, 2, 1, 1, groups=6), 0, build)
    check(Systolic(4, 4), Conv(37, 10, 1, 1, 1, 1), 1, build)
