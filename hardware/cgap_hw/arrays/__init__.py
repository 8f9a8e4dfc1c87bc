"""How many cycles does a layer take on each way of arranging multipliers, and what moves?"""

from cgap_hw.arrays.base import BaseArray
from cgap_hw.arrays.buffers import Buffers, Grain
from cgap_hw.arrays.controller import Controller
from cgap_hw.arrays.dpu import Dpu
from cgap_hw.arrays.flat import FlatArray
from cgap_hw.arrays.output_stationary import OutputStationary
from cgap_hw.arrays.streaming import Streaming
from cgap_hw.arrays.systolic import Dataflow, Systolic
from cgap_hw.arrays.unrolled import UnrolledChannels

AnyArray = OutputStationary | FlatArray | Dpu | Systolic | UnrolledChannels | Streaming

__all__ = [
    "AnyArray",
    "BaseArray",
    "Buffers",
    "Controller",
    "Dataflow",
    "Dpu",
    "FlatArray",
    "Grain",
    "OutputStationary",
    "Streaming",
    "Systolic",
    "UnrolledChannels",
]
