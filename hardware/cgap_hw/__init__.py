"""What one inference of a convolutional network costs on an FPGA."""

from cgap_hw.boards.board import Board, board_names, load_board
from cgap_hw.chips.values import Range
from cgap_hw.errors import CostModelError, UnknownNameError
from cgap_hw.layers.shapes import LayerShape, read_shapes, write_shapes
from cgap_hw.price.advice import LayerAdvice, advise
from cgap_hw.price.cost import CostOptions, LayerCost, NetworkCost, network_cost
from cgap_hw.price.designs import DesignGrid
from cgap_hw.price.explore import Exploration
from cgap_hw.price.switching import Switch, resident_together, switch_cost

__all__ = [
    "Board",
    "CostModelError",
    "CostOptions",
    "DesignGrid",
    "Exploration",
    "LayerAdvice",
    "LayerCost",
    "LayerShape",
    "NetworkCost",
    "Range",
    "Switch",
    "UnknownNameError",
    "advise",
    "board_names",
    "load_board",
    "network_cost",
    "read_shapes",
    "resident_together",
    "switch_cost",
    "write_shapes",
]
