"""Which tiles is a layer cut into, in which order do they run, and what does that move?

Whole rows, as in Ma et al.: a tile is rows x output channels. While one tile of weights stays,
pixels stream past it (channels outer), or the other way round (rows outer); if all input
channels of the smallest tile do not fit, they are tiled too, and the partial sums of one tile
wait on chip.
"""

from cgap_hw.arrays.traffic.moved import Traffic, transfer_ns
from cgap_hw.arrays.traffic.orders import ORDERS
from cgap_hw.arrays.traffic.tiling import least_traffic
from cgap_hw.arrays.traffic.volumes import Volumes

__all__ = ["ORDERS", "Traffic", "Volumes", "least_traffic", "transfer_ns"]
