"""Draw the block diagram of the output-stationary array and the steps of its tiles as SVG."""

from __future__ import annotations

from html import escape
from pathlib import Path

BLOCKS = (  # file, what it does, column, row
    ("dram_stub", "memory: latency, bandwidth", 0, 1),
    ("pixel_loader", "row_walker, pixel_scatter", 1, 0),
    ("weight_loader", "", 1, 1),
    ("output_store", "", 1, 2),
    ("input_buffer", "2 halves, POY x POX banks", 2, 0),
    ("weight buffer (ram)", "2 halves, POF wide", 2, 1),
    ("output_buffer", "2 halves, POF banks", 2, 2),
    ("pixel_router", "rotate, zero the padding", 3, 0),
    ("pe_array", "POY x POX x POF mac", 3, 1),
    ("requant, drain", "bias, round, saturate", 3, 2),
    ("tile_sequencer", "loops over tiles", 1, 3),
    ("tile_loop", "loops inside a tile", 2, 3),
    ("channel_parameters", "bias, shift", 3, 3),
)
ARROWS = ((0, 1), (0, 2), (3, 0), (1, 4), (2, 5), (6, 3), (4, 7), (7, 8), (5, 8), (8, 9),
          (9, 6), (12, 9))  # fmt: skip
PORT = (
    ("load 1", 0, 2), ("load 2", 2, 4), ("store 1", 4, 5), ("load 3", 5, 7), ("store 2", 8, 9),
    ("store 3", 11, 12),
)  # fmt: skip
CORE = (("compute 1", 2, 4), ("compute 2", 4, 8), ("compute 3", 8, 11))
LANES = (("port", PORT), ("core", CORE))
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
    """Return the blocks and the way of the data as SVG."""
    corner = [(20 + c * (WIDTH + GAP), 20 + r * (HEIGHT + GAP)) for *_, c, r in BLOCKS]
    parts = [_box(*corner[i], WIDTH, block[:2]) for i, block in enumerate(BLOCKS)]
    for start, end in ARROWS:
        (x1, y1), (x2, y2) = corner[start], corner[end]
        if x1 == x2:
            down = y2 > y1
            ends = (
                x1 + WIDTH // 2,
                y1 + HEIGHT * down,
                x2 + WIDTH // 2,
                y2 + HEIGHT * (not down),
            )
        else:
            right = x2 > x1
            mid = HEIGHT // 2
            ends = (x1 + WIDTH * right, y1 + mid, x2 + WIDTH * (not right), y2 + mid)
        line = 'x1="{}" y1="{}" x2="{}" y2="{}"'.format(*ends)
        parts.append(f'<line {line} stroke="black" marker-end="url(#a)"/>')
    return _page(4 * (WIDTH + GAP), 4 * (HEIGHT + GAP), parts)


def tile_diagram() -> str:
    """Return three tiles in lock step, on the port and in the core, as SVG."""
    parts = []
    for row, (name, spans) in enumerate(LANES):
        y = 20 + row * (HEIGHT + 10)
        parts.append(f'<text x="30" y="{y + 26}">{name}</text>')
        parts += [_box(60 + 55 * a, y, 55 * (b - a), (text,)) for text, a, b in spans]
    for step in (2, 4, 8, 11):
        x = 60 + 55 * step
        parts.append(f'<line x1="{x}" y1="8" x2="{x}" y2="132" stroke="red"/>')
    return _page(760, 140, parts)


if __name__ == "__main__":
    folder = Path(__file__).parent
    (folder / "array.svg").write_text(block_diagram(), encoding="utf-8")
    (folder / "tiles.svg").write_text(tile_diagram(), encoding="utf-8")
