"""The parameters with which `hardware/rtl` is built for a design."""

from __future__ import annotations

from cgap_hw.arrays import OutputStationary
from cgap_hw.arrays.controller import SUM_BITS, refuse_width
from cgap_hw.errors import CostModelError


def rtl_parameters(array: OutputStationary, bits: int = 8) -> dict[str, int]:
    """Values by their name in ``conv_array.sv``.

    Raises:
        CostModelError: The array has no ``controller``, or words are not of 8 or 16 bits.

    >>> from cgap_hw.boards.catalogue import load_array
    >>> parameters = rtl_parameters(load_array("rtl-4x4x4"))
    >>> parameters["POX"], parameters["IN_DEPTH"], parameters["PORT"]
    (4, 4096, 4)
    """
    control = array.controller
    if control is None:
        raise CostModelError("only an array with a controller is built by hardware/rtl")
    refuse_width(bits)
    return {
        "POX": array.pox,
        "POY": array.poy,
        "POF": array.pof,
        "DW": bits,
        "WW": bits,
        "AW": SUM_BITS[bits],
        "IN_DEPTH": control.pixel_words,
        "WT_DEPTH": control.weight_words,
        "OUT_DEPTH": control.output_words,
        "PAR_DEPTH": control.channel_blocks,
        "PORT": max(array.pox, array.pof) * bits // 8,
    }


def rtl_parameters_text(array: OutputStationary, bits: int = 8) -> str:
    """A header for SystemVerilog: one ``localparam`` a parameter."""
    lines = ["// Parameters of hardware/rtl/array/conv_array.sv for one design."]
    lines += [f"localparam int {k} = {v};" for k, v in rtl_parameters(array, bits).items()]
    return "\n".join(lines) + "\n"
