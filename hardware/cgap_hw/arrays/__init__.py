"""Array styles: how many cycles a layer takes on each way of arranging multipliers."""

from typing import Annotated

from pydantic import Field

from cgap_hw.arrays.base import BaseArray, Buffers, Grain
from cgap_hw.arrays.output_stationary import OutputStationary

AnyArray = OutputStationary

__all__ = ["AnyArray", "BaseArray", "Buffers", "Grain", "OutputStationary"]
