"""DSP blocks and block RAM of the synthesised array against the closed forms."""

import pytest

from cgap_hw import resources
from rtl.driver import Design
from rtl.synthesis import HOW, Memory, memories, predicted, synthesise, tool

needs_yosys = pytest.mark.skipif(tool("yosys") is None, reason=HOW)

SIZES = (
    Design(1, 1, 1), Design(2, 2, 2), Design(4, 4, 4), Design(3, 2, 5), Design(7, 1, 4),
    Design(2, 4, 8, wt_depth=2048), Design(4, 2, 4, bits=16, sum_bits=48),
    Design(4, 4, 8, in_depth=512, out_depth=512), Design(8, 2, 4, in_depth=2048),
    Design(7, 7, 2), Design(2, 2, 16, out_depth=1024), Design(5, 3, 3, wt_depth=4096),
)  # fmt: skip


def test_blocks_of_published_memories():
    """2048 x 256 bits: 29 RAMB18, 2048 x 128: 15 (Yosys 0.23, hardware notes)."""
    assert Memory("wide", 1, 256, 2048).blocks == 29
    assert Memory("half", 1, 128, 2048).blocks == 15


def test_closed_form_of_the_small_array():
    """16 banks of 2048 x 8, one of 2048 x 32 (4 blocks), 4 of 512 x 32."""
    small = predicted(Design(4, 4, 4))
    assert (small.dsp, small.block_ram) == (64, 16 + 4 + 4)


@pytest.mark.parametrize("design", SIZES, ids=str)
def test_the_cost_model_counts_the_same_blocks(design):
    for memory in memories(design):
        theirs = resources.Memory(memory.name, memory.count, memory.bits, memory.words)
        assert theirs.blocks("RAMB18") == memory.blocks


@needs_yosys
@pytest.mark.slow
@pytest.mark.parametrize("design", SIZES, ids=str)
def test_synthesis_uses_the_predicted_blocks(design, tmp_path):
    assert synthesise(design, tmp_path) == predicted(design)
