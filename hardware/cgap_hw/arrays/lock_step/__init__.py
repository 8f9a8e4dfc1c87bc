"""Tile by tile latency of a layer on the array of `hardware/rtl`, as its controller steps.

While tile i is computed, tile i - 1 is stored and tile i + 1 loaded over the one memory port;
the next step starts when all three are done (the shared port of Ma et al.'s tile pipeline).
Every constant here is a number of cycles read off the state machines in `hardware/rtl/array`.
"""

from cgap_hw.arrays.lock_step.plans import best_plan
from cgap_hw.arrays.lock_step.sizes import Machine, Plan, Port, Sizes, fits
from cgap_hw.arrays.lock_step.steps import Schedule, schedule

__all__ = [
    "Machine",
    "Plan",
    "Port",
    "Schedule",
    "Sizes",
    "best_plan",
    "fits",
    "schedule",
]
