"""The DPU's depthwise engine."""

from cgap_hw.arrays import Dpu
from cgap_hw.evidence.zoo import network
from cgap_hw.layers.table import LayerTable


def test_filters_of_a_depthwise_channel_take_a_pass_each():
    """7 x 7, 8 filters on each of 3 channels: 8 passes, 28 groups of 4 pixels in 112 rows."""
    array = Dpu(clock_mhz=300, source="test")
    first = LayerTable.of(network("inception_v2")[:1])
    assert array.mac_cycles(first).tolist() == [8 * 49 * 28 * 112]
    one = LayerTable.of([layer for layer in network("mobilenet_v1") if layer.depthwise][:1])
    assert array.mac_cycles(one).tolist() == [2 * 9 * 28 * 112]
