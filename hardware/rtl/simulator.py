"""Compile the test benches with Icarus Verilog and run layers through them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cgap_hw.arrays.lock_step import Tiles
from rtl.driver import Addresses, Design, channel_words, description, pack, pack_weights
from rtl.layers import Conv, Ints, Tensors

ROOT = Path(__file__).parent
HOW = "Icarus Verilog is missing: `apt-get install iverilog` or `brew install icarus-verilog`"
LIMIT_S = 900  # of one simulation, on a busy computer; a machine that hangs stops much earlier
RATE_UNIT = 256  # the stub counts its bandwidth in bytes a cycle, times this


def available() -> bool:
    """Return whether the simulator is installed."""
    return bool(shutil.which("iverilog") and shutil.which("vvp"))


def sources(folder: str) -> list[Path]:
    """Return the files of a machine, the types first."""
    files = sorted((ROOT / folder).glob("*.sv"))
    return sorted(files, key=lambda f: f.name != "layer_types.sv")


def compile_bench(
    top: str, files: Iterable[Path], parameters: dict[str, int], build: Path
) -> Path:
    """Compile a test bench once per content and parameters; return the program.

    Raises:
        RuntimeError: the compiler refuses the sources.
    """
    files = list(files)
    digest = hashlib.sha256(repr((top, sorted(parameters.items()))).encode())
    for file in files:
        digest.update(file.read_bytes())
    program = build / f"{top}-{digest.hexdigest()[:12]}.vvp"
    if not program.exists():
        build.mkdir(parents=True, exist_ok=True)
        sizes = [f"-P{top}.{name}={value}" for name, value in parameters.items()]
        run = ["iverilog", "-g2012", "-s", top, "-o", str(program), *sizes, *map(str, files)]
        done = subprocess.run(run, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"iverilog refuses {top}: {done.stderr}")
    return program


def simulate(program: Path, folder: Path, *plusargs: str) -> None:
    """Run a compiled bench on the files of a folder.

    Raises:
        RuntimeError: the bench stops with an error.
    """
    run = ["vvp", "-n", str(program), f"+dir={folder}", *plusargs]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    if done.returncode or "FATAL" in done.stdout or "ERROR" in done.stdout:
        raise RuntimeError(f"simulation failed in {folder}: {done.stdout}{done.stderr}")


@dataclass(frozen=True)
class Job:
    """One layer to run: sizes, operands, tiles, and the memory's latency and bandwidth.

    ``latency``: cycles from a beat to its answer; ``bytes_per_cycle``: average bandwidth.
    """

    layer: Conv
    operands: Tensors
    tiles: Tiles
    latency: int = 20
    bytes_per_cycle: float = 4.0


@dataclass(frozen=True)
class Outcome:
    """What one simulated layer gave: results and counted cycles (see ``conv_array.sv``)."""

    output: Ints
    total: int
    compute: int
    core: int
    pixels: int
    weights: int
    store: int


class _Memory:
    """Byte image of the memory: operands placed one after the other."""

    def __init__(self, n_bytes: int) -> None:
        self.n_bytes = n_bytes
        self.parts: list[tuple[int, Ints]] = []
        self.end = 0

    def place(self, values: Ints) -> int:
        self.parts.append((self.end, values))
        return self.reserve(values.size)

    def reserve(self, n_values: int) -> int:
        start = self.end
        self.end += n_values * self.n_bytes
        return start

    def write(self, path: Path) -> None:
        lines = []
        for start, values in self.parts:
            raw = values.astype(f"<i{self.n_bytes}").tobytes()
            lines += [f"@{start:x}", raw.hex(" ")]
        path.write_text("\n".join(lines) + "\n", encoding="ascii")


def _job_lines(job: Job, design: Design, at: Addresses) -> list[str]:
    words = pack(description(job.layer, job.tiles, design, at, job.operands.relu))
    channels = channel_words(job.layer, job.operands, design)
    rate = round(job.bytes_per_cycle * RATE_UNIT)
    head = f"{job.latency} {rate} {len(words)} {len(channels)}"
    return [head, *(f"{w:x}" for w in words), *(" ".join(map(str, c)) for c in channels)]


def _read_bytes(path: Path) -> bytes:
    lines = path.read_text(encoding="ascii").splitlines()
    digits = " ".join(line for line in lines if not line.startswith("//"))
    return bytes(0 if "x" in byte.lower() else int(byte, 16) for byte in digits.split())


def _unknown(path: Path) -> list[bool]:
    lines = path.read_text(encoding="ascii").splitlines()
    digits = " ".join(line for line in lines if not line.startswith("//"))
    return ["x" in byte.lower() for byte in digits.split()]


def run_layers(
    jobs: Sequence[Job], design: Design, folder: Path, build: Path, extra: Sequence[str] = ()
) -> list[Outcome]:
    """Run layers one after the other on the output-stationary array.

    Args:
        jobs: the layers.
        design: the array.
        folder: where the files of this run go.
        build: where compiled benches are kept.
        extra: further plusargs (``+wave`` writes a waveform, ``+limit=N`` stops a layer after
            N cycles, 2 000 000 by default).

    Raises:
        RuntimeError: compilation or simulation fails, or a result was never written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    starts, end = _write_jobs(jobs, design, folder)
    stubs = sorted((ROOT / "bench").glob("[!t]*.sv"))
    files = [*sources("array"), *stubs, ROOT / "bench" / "tb_conv.sv"]
    size = 1 << max(12, end.bit_length())
    program = compile_bench("tb_conv", files, {**design.parameters(), "BYTES": size}, build)
    simulate(program, folder, *extra)
    return _outcomes(jobs, starts, design, folder)


def _write_jobs(jobs: Sequence[Job], design: Design, folder: Path) -> tuple[list[int], int]:
    """Write memory image and job list; return where each output lies, and the end of it all."""
    memory, lines, starts = _Memory(design.bits // 8), [], []
    for job in jobs:
        packed = pack_weights(job.layer, job.operands.weights, design.pof)
        out = job.layer.n_out * job.layer.out_h * job.layer.out_w
        at = Addresses(
            pixels=memory.place(job.operands.pixels.ravel()),
            weights=memory.place(packed),
            outputs=memory.reserve(out),
        )
        starts.append(at.outputs)
        lines += _job_lines(job, design, at)

    memory.write(folder / "dram.hex")
    lines.append(f"end {memory.end - 1}")
    (folder / "job.txt").write_text("\n".join(lines) + "\n", encoding="ascii")
    return starts, memory.end


def _outcomes(
    jobs: Sequence[Job], starts: Sequence[int], design: Design, folder: Path
) -> list[Outcome]:
    raw, unknown = _read_bytes(folder / "after.hex"), _unknown(folder / "after.hex")
    counters = np.loadtxt(folder / "counters.txt", dtype=np.int64, ndmin=2)
    n_bytes, outcomes = design.bits // 8, []
    for job, start, counts in zip(jobs, starts, counters, strict=True):
        shape = (job.layer.n_out, job.layer.out_h, job.layer.out_w)
        end = start + int(np.prod(shape)) * n_bytes
        if any(unknown[start:end]):
            raise RuntimeError(f"results of {job.layer} were never written, or are unknown")
        values = np.frombuffer(raw[start:end], dtype=f"<i{n_bytes}").astype(np.int64)
        outcomes.append(Outcome(values.reshape(shape), *(int(c) for c in counts)))
    return outcomes
