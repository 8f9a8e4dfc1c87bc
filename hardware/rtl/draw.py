"""Draw the blocks of the output-stationary array, the steps of tiles and their cycles as SVG.

The blocks are those of `BLOCKS`; the steps and cycles are those of a simulated layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from rtl.trace import simulated

BLOCKS = (  # modules, what they do, column, row
    ("dram_stub", "latency, bandwidth", 0, 1),
    ("layer_registers", "layer_types: the layer", 0, 3),
    ("pixel_loader", "row_walker, pixel_scatter", 1, 0),
    ("weight_loader", "weights in order of use", 1, 1),
    ("output_store", "a channel's rows", 1, 2),
    ("tile_sequencer", "loops over tiles", 1, 3),
    ("input_buffer", "2 halves, POY x POX ram", 2, 0),
    ("weight buffer (ram)", "2 halves, POF wide", 2, 1),
    ("output_buffer", "2 halves, POF ram", 2, 2),
    ("tile_loop", "loops inside a tile", 2, 3),
    ("pixel_router", "rotator, zeros as padding", 3, 0),
    ("pe_array", "POY x POX x POF mac", 3, 1),
    ("requant, drain", "bias, round, saturate", 3, 2),
    ("channel_parameters", "bias, shift", 3, 3),
)
DATA = (  # from, to
    ("dram_stub", "pixel_loader"),
    ("dram_stub", "weight_loader"),
    ("output_store", "dram_stub"),
    ("pixel_loader", "input_buffer"),
    ("weight_loader", "weight buffer (ram)"),
    ("output_buffer", "output_store"),
    ("input_buffer", "pixel_router"),
    ("pixel_router", "pe_array"),
    ("weight buffer (ram)", "pe_array"),
    ("pe_array", "requant, drain"),
    ("requant, drain", "output_buffer"),
    ("channel_parameters", "requant, drain"),
)
CONTROL = (("layer_registers", "tile_sequencer"), ("tile_sequencer", "tile_loop"))
PORT = {"pixels in": "in_pixels", "weights in": "in_weights", "results out": "in_store"}
TILES = {**PORT, "a tile computed": "in_compute", "passes": "running"}
TILE = {
    "tile computed": "in_compute",
    "pass": "running",
    "multiply (loops)": "core.step0",
    "multiply (cells)": "core.step3",
    "sums captured": "core.capture",
    "rows leave": "core.leaving",
    "results written": "core.out_we",
    "done": "core.done",
}
LABELS, LANE = 130, 26  # widths of names, height of a signal
WIDTH, HEIGHT, GAP = 170, 46, 40


def _page(width: int, height: int, parts: list[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
    style = 'font-family="sans-serif" font-size="12" text-anchor="middle"'
    marker = (
        '<defs><marker id="a" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
        '<path d="M0 0 8 4 0 8z"/></marker></defs>'
    )
    back = f'<rect width="{width}" height="{height}" fill="white"/>'
    return "\n".join([f"{head} {style}>", marker, back, *parts, "</svg>", ""])


def _box(x: int, y: int, width: int, lines: tuple[str, ...]) -> str:
    texts = [
        f'<text x="{x + width // 2}" y="{y + 20 + 16 * i}">{escape(line)}</text>'
        for i, line in enumerate(lines)
        if line
    ]
    frame = (
        f'<rect x="{x}" y="{y}" width="{width}" height="{HEIGHT}" fill="#eef" stroke="black"/>'
    )
    return frame + "".join(texts)


def block_diagram() -> str:
    """Return the blocks and the way of the data as SVG; control is dashed."""
    corner = {
        name: (20 + c * (WIDTH + GAP), 20 + r * (HEIGHT + GAP)) for name, _, c, r in BLOCKS
    }
    parts = [_box(*corner[block[0]], WIDTH, block[:2]) for block in BLOCKS]
    parts += [_arrow(corner[start], corner[end], "") for start, end in DATA]
    dashed = 'stroke-dasharray="5 3" '
    parts += [_arrow(corner[start], corner[end], dashed) for start, end in CONTROL]
    return _page(4 * (WIDTH + GAP), 4 * (HEIGHT + GAP), parts)


def _arrow(start: tuple[int, int], end: tuple[int, int], style: str) -> str:
    """Return a line between boxes: sideways, or down or up in one column."""
    (x1, y1), (x2, y2) = start, end
    if x1 == x2:
        down = y2 > y1
        ends = (x1 + WIDTH // 2, y1 + HEIGHT * down, x2 + WIDTH // 2, y2 + HEIGHT * (not down))
    else:
        right, mid = x2 > x1, HEIGHT // 2
        ends = (x1 + WIDTH * right, y1 + mid, x2 + WIDTH * (not right), y2 + mid)
    line = 'x1="{}" y1="{}" x2="{}" y2="{}"'.format(*ends)
    return f'<line {line} {style}stroke="black" marker-end="url(#a)"/>'


def tiles_diagram() -> str:
    """Return all tiles of a simulated layer as SVG: when the port and the core are busy."""
    waves = simulated(list(TILES.values()))
    lanes = {name: waves[signal] for name, signal in TILES.items()}
    return _lanes(lanes, scale=3, every=25)


def tile_diagram() -> str:
    """Return one tile of the same layer as SVG, cycle by cycle."""
    waves = simulated(list(TILE.values()))
    start = waves["in_compute"].index(1)
    end = waves["core.done"].index(1) + 1
    cut = slice(start - 1, end + 1)
    return _lanes(
        {name: waves[signal][cut] for name, signal in TILE.items()}, scale=14, every=5
    )


def _lanes(lanes: dict[str, list[int]], scale: int, every: int) -> str:
    """Return signals under each other as boxes where they are high, with a ruler of cycles."""
    n = len(next(iter(lanes.values())))
    height, parts = LANE * len(lanes), []
    for cycle in range(0, n + 1, every):
        x = LABELS + scale * cycle
        parts.append(f'<line x1="{x}" y1="18" x2="{x}" y2="{height + 22}" stroke="#ddd"/>')
        parts.append(f'<text x="{x}" y="14" font-size="10">{cycle}</text>')
    for number, (name, values) in enumerate(lanes.items()):
        y = 22 + LANE * number
        parts.append(f'<text x="{LABELS - 8}" y="{y + 15}" text-anchor="end">{name}</text>')
        for start, length in _high(values):
            box = f'x="{LABELS + scale * start}" y="{y}" width="{scale * length}"'
            parts.append(f'<rect {box} height="{LANE - 6}" fill="#bcd" stroke="black"/>')
    return _page(LABELS + scale * n + 20, height + 28, parts)


def _high(values: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Start and length of every stretch in which a signal is high."""
    start = 0
    for value, run in groupby(values):
        length = len(list(run))
        if value:
            yield start, length
        start += length


PICTURES = {"array.svg": block_diagram, "tiles.svg": tiles_diagram, "tile.svg": tile_diagram}

if __name__ == "__main__":
    for file, draw in PICTURES.items():
        (Path(__file__).parent / file).write_text(draw(), encoding="utf-8")
