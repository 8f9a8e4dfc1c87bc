"""How long does a layer take on the array of `hardware/rtl`, tile by tile?

While tile i is computed, tile i - 1 is stored and tile i + 1 loaded over the one DRAM port;
the next step starts when all three are done (the shared port of Ma et al.'s tile pipeline).
Every constant here is a number of cycles read off the state machines in `hardware/rtl/array`.
"""

from cgap_hw.arrays.lock_step.search import best_tiles
from cgap_hw.arrays.lock_step.sizes import Machine, Port, Sizes, Tiles, fits, words_of
from cgap_hw.arrays.lock_step.steps import Timeline, timeline

__all__ = [
    "Machine",
    "Port",
    "Sizes",
    "Tiles",
    "Timeline",
    "best_tiles",
    "fits",
    "timeline",
    "words_of",
]
