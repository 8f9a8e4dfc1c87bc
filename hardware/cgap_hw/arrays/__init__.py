"""Array styles: how many cycles a layer takes on each way of arranging multipliers."""

from cgap_hw.arrays.base import BaseArray, Buffers, Grain
from cgap_hw.arrays.flat import FlatArray
from cgap_hw.arrays.output_stationary import OutputStationary

AnyArray = OutputStationary | FlatArray

__all__ = ["AnyArray", "BaseArray", "Buffers", "FlatArray", "Grain", "OutputStationary"]
