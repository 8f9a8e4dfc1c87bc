"""How many LUTs does an array take? Lines through published designs, each with its range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cgap_hw.chips.chip import Resources
from cgap_hw.chips.values import Range
from cgap_hw.numeric import Values

LUT_PER_LOGIC_MAC = 60.0  # an 8 x 8 multiplier in logic: about 60 (assumed)


@dataclass(frozen=True)
class LutFit:
    """``base + per_dsp * DSP blocks`` within a range of DSP blocks, never beyond it.

    Attributes:
        design: What the line was fitted to.
        least: Fewest DSP blocks of those designs.
        most: Most DSP blocks of those designs.
        worst_ratio: Largest error on a design that was left out of the fit.
    """

    design: str
    least: float
    most: float
    base: float
    per_dsp: float
    worst_ratio: float


# Least relative squares. DPU: the 16 cores of PG338 v1.2, table 9 (B512 to B4096, few and many
# DSP blocks, no depthwise or average pooling); a later B3136 with 548 DSP blocks and 45,433
# LUTs, not fitted, lies 5 % above. CHaiDNN: its four sizes on the ZU9 and three on the ZU7.
DPU = LutFit("AMD's DPU", 66, 642, 18_260.0, 45.33, 0.24)
CHAIDNN = LutFit("CHaiDNN", 297, 1352, 45_457.0, 87.37, 0.24)
# hardware/rtl placed and routed on an ECP5, 4-input LUTs: four sizes (hardware/rtl/README.md).
PLACED = LutFit("hardware/rtl", 2, 32, 5_345.0, 373.0, 0.056)
FITS = (PLACED, DPU, CHAIDNN)
# The same machine mapped to UltraScale+ by Yosys, eight sizes; only for that machine. Farthest
# off are lanes that are no power of two: what rotates their rows is wider.
RTL = LutFit("hardware/rtl", 2, 128, 3_738.0, 140.9, 0.42)


def lut_bounds(dsp: Any, fits: tuple[LutFit, ...] = FITS) -> tuple[Values, Values, Values]:
    """Low, middle and high LUTs at numbers of DSP blocks; nan where no fit reaches.

    Where two fits hold, designs differ as much as they do: the middle is their geometric mean.
    """
    dsp = np.asarray(dsp, dtype=np.float64)
    lines = np.stack([fit.base + fit.per_dsp * dsp for fit in fits])
    holds = np.stack([(fit.least <= dsp) & (dsp <= fit.most) for fit in fits])
    errors = np.array([fit.worst_ratio for fit in fits]).reshape(-1, *[1] * dsp.ndim)

    n_fits = holds.sum(axis=0)
    known = n_fits > 0
    # Errors are shares of what was published: an estimate e stands for e / (1 +- error).
    low = np.where(holds, lines / (1 + errors), np.inf).min(axis=0)
    high = np.where(holds, lines / (1 - errors), 0.0).max(axis=0)
    mean = np.where(holds, np.log(lines), 0.0).sum(axis=0) / np.maximum(n_fits, 1)

    bounds = (np.where(known, x, np.nan) for x in (low, np.exp(mean), high))
    return next(bounds), next(bounds), next(bounds)


def lut_estimate(
    dsp: int, logic_macs: int, has: Resources, fits: tuple[LutFit, ...] = FITS
) -> Range | None:
    """LUTs of an array; None where no fit reaches, or for parts that count ALMs."""
    low, mid, high = (float(x) for x in lut_bounds(dsp, fits))
    if not fitted_on(has) or np.isnan(mid):
        return None
    extra = LUT_PER_LOGIC_MAC * logic_macs
    return Range(low=low + extra, mid=mid + extra, high=high + extra)


def why_unknown(has: Resources, fits: tuple[LutFit, ...]) -> str:
    """Why `lut_estimate` has none."""
    if not fitted_on(has):
        return "ALMs: no published pairs to fit"
    ranges = ", ".join(f"{f.least:g} to {f.most:g} ({f.design})" for f in fits)
    return f"LUTs: fitted on {ranges} DSP blocks"


def fitted_on(has: Resources) -> bool:
    """Whether the designs of the fits are of the part's maker."""
    return has.block_kind == "RAMB18"
