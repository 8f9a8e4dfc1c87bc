"""The array of Zhang et al."""

from cgap_hw.arrays import UnrolledChannels
from cgap_hw.evidence.zoo import network
from cgap_hw.layers.table import LayerTable


def test_zhang_s_cycles_to_the_last_digit():
    """Zhang et al., FPGA 2015: 64 x 7, one group of AlexNet."""
    array = UnrolledChannels(tm=64, tn=7, clock_mhz=100, source="FPGA 2015")
    cycles = array.mac_cycles(LayerTable.of(network("alexnet-zhang")))
    assert cycles.tolist() == [366025, 255430, 171051, 129444, 86296]
