"""The same layers in SCALE-Sim and ZigZag: cycles, and the processor time they take to find.

Each peer needs packages that contradict ours, so each runs in an environment of its own, named
by its Python: `python benchmarks/speed/peers.py --scalesim PYTHON --zigzag PYTHON`. A peer that
is not named, or not installed there, is left out and the reason said. `--page PATH` writes the
table where that page has the marker ``peers``.
"""

import argparse
import csv
import json
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cgap_bench.show.markers import fill_page
from cgap_hw import LayerShape, load_board, network_cost
from cgap_hw.arrays.systolic import Dataflow, Systolic

SIZE = 32  # rows and columns of the array
LIMIT_S = 1800.0
REPEATS = 50  # of ours, which takes less than a millisecond
# Name, input and output channels, output pixels a side, kernel; no padding.
LAYERS = (
    ("3 x 3, 16 to 32, 14 x 14", 16, 32, 14, 3),
    ("3 x 3, 64 to 64, 14 x 14", 64, 64, 14, 3),
    ("1 x 1, 128 to 96, 14 x 14", 128, 96, 14, 1),
)
CODES = {Dataflow.OUTPUT: "os", Dataflow.WEIGHT: "ws", Dataflow.INPUT: "is"}
CONFIG = """[general]
run_name = run
[architecture_presets]
ArrayHeight = {size}
ArrayWidth = {size}
IfmapSramSzkB = 1024
FilterSramSzkB = 1024
OfmapSramSzkB = 1024
IfmapOffset = 0
FilterOffset = 10000000
OfmapOffset = 20000000
Dataflow = {code}
Bandwidth = 1024
ReadRequestBuffer = 64
WriteRequestBuffer = 64
[layout]
IfmapCustomLayout = False
IfmapSRAMBankBandwidth = 10
IfmapSRAMBankNum = 10
IfmapSRAMBankPort = 2
FilterCustomLayout = False
FilterSRAMBankBandwidth = 10
FilterSRAMBankNum = 10
FilterSRAMBankPort = 2
[sparsity]
SparsitySupport = false
[run_presets]
InterfaceBandwidth = CALC
UseRamulatorTrace = False
"""
ZIGZAG = """
import json, os, sys, zigzag
from zigzag.api import get_hardware_performance_zigzag
inputs = os.path.join(os.path.dirname(zigzag.__file__), "inputs")
files = [os.path.join(inputs, kind, "tpu_like.yaml") for kind in ("hardware", "mapping")]
with open(sys.argv[1]) as file:
    layers = json.load(file)
found = []
for layer in layers:
    _, latency, _ = get_hardware_performance_zigzag(
        [layer], *files, dump_folder="out", loma_show_progress_bar=False
    )
    found.append(latency)
print("CYCLES", json.dumps(found))
"""


class PeerError(Exception):
    """A peer is not there, or did not answer."""


@dataclass(frozen=True)
class Answer:
    """Cycles of every layer and the processor time of all of them, in seconds."""

    cycles: Sequence[float]
    seconds: float


def shapes() -> list[LayerShape]:
    """The layers as the cost model has them."""
    return [
        LayerShape(
            name=name,
            kind="conv",
            n_in=n_in,
            n_out=n_out,
            in_h=pixels + kernel - 1,
            in_w=pixels + kernel - 1,
            out_h=pixels,
            out_w=pixels,
            kernel_h=kernel,
            kernel_w=kernel,
        )
        for name, n_in, n_out, pixels, kernel in LAYERS
    ]


def ours(dataflow: Dataflow) -> Answer:
    """Ours: the whole price of all layers (tiles, traffic, energy), not their cycles alone."""
    array = Systolic(clock_mhz=200, source="peers", rows=SIZE, columns=SIZE, dataflow=dataflow)
    board, layers = load_board("zcu102"), shapes()
    start = time.process_time()
    for _ in range(REPEATS):
        cost = network_cost(layers, board, array)
    cycles = [layer.cycles for layer in cost.layers]
    return Answer(cycles, (time.process_time() - start) / REPEATS)


def version(python: str | None, package: str) -> str:
    """Of a package in another environment.

    Raises:
        PeerError: No environment is named, or it lacks the package.
    """
    if python is None:
        raise PeerError(f"no Python with {package} was named")
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return _output([python, "-c", code], Path.cwd()).strip()


def scalesim(python: str, dataflow: Dataflow, folder: Path) -> Answer:
    """SCALE-Sim's cycles without memory stalls."""
    header = "Layer, H, W, R, S, C, M, stride,\n"
    rows = [
        f"l{i}, {s.in_h}, {s.in_w}, {s.kernel_h}, {s.kernel_w}, {s.n_in}, {s.n_out}, 1,\n"
        for i, s in enumerate(shapes())
    ]
    (folder / "t.csv").write_text(header + "".join(rows))
    ones = "".join(f"l{i}, {'1, ' * 17}\n" for i in range(len(rows)))
    (folder / "l.csv").write_text(header + ones)
    (folder / "c.cfg").write_text(CONFIG.format(size=SIZE, code=CODES[dataflow]))

    files = ["-c", "c.cfg", "-t", "t.csv", "-l", "l.csv", "-p", "out", "-s", "N"]
    answer = _timed(lambda: _output([python, "-m", "scalesim.scale", *files], folder))
    report = next((folder / "out").rglob("COMPUTE_REPORT.csv"))
    with report.open(newline="") as file:
        lines = list(csv.DictReader(file, skipinitialspace=True))
    return Answer([float(line["Total Cycles"]) for line in lines], answer[1])


def zigzag(python: str, folder: Path) -> Answer:
    """ZigZag's cycles on its array ``tpu_like`` (32 x 32, weights stay), memory and all."""
    layers = [
        {
            "id": 0,
            "operator_type": "Conv",
            "equation": "O[b][k][oy][ox]+=W[k][c][fy][fx]*I[b][c][iy][ix]",
            "dimension_relations": ["iy=1*oy+1*fy", "ix=1*ox+1*fx"],
            "loop_dims": ["B", "K", "C", "OY", "OX", "FY", "FX"],
            "loop_sizes": [1, s.n_out, s.n_in, s.out_h, s.out_w, s.kernel_h, s.kernel_w],
            "operand_precision": {"W": 8, "I": 8, "O": 16, "O_final": 8},
            "operand_source": {"I": 0, "W": 0},
        }
        for s in shapes()
    ]
    (folder / "layers.json").write_text(json.dumps(layers))
    text, seconds = _timed(lambda: _output([python, "-c", ZIGZAG, "layers.json"], folder))
    return Answer(json.loads(text.rpartition("CYCLES ")[2]), seconds)


def _timed(call: Callable[[], str]) -> tuple[str, float]:
    """What a child printed, and the processor time that it took."""

    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    start = spent()
    return call(), spent() - start


def _output(command: Sequence[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerError(str(error)) from error
    if done.returncode:
        raise PeerError((done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2])
    return done.stdout


def _lines(name: str, mine: Answer, theirs: Answer) -> list[str]:
    ratio = theirs.seconds / mine.seconds
    text = [
        f"| {name} | {s.name} | {b:,.0f} | {a:,.0f} |  |"
        for s, a, b in zip(shapes(), mine.cycles, theirs.cycles, strict=True)
    ]
    total = f"{sum(theirs.cycles):,.0f} | {sum(mine.cycles):,.0f}"
    last = (
        f"| {name} | all | {total} | {theirs.seconds:.1f} s against {1e3 * mine.seconds:.2f} ms"
    )
    return [*text, f"{last} ({ratio:,.0f} times) |"]


def table(pythons: dict[str, str | None]) -> str:
    """All peers that are there; the reason of each that is not."""
    lines = [
        "| peer | layer | cycles, peer | cycles, cgap_hw | processor time |",
        "|---|---|--:|--:|---|",
    ]
    reasons = []
    with tempfile.TemporaryDirectory() as name:
        try:
            python = pythons["scalesim"]
            label = f"SCALE-Sim {version(python, 'scalesim')}"
            for flow in Dataflow:
                folder = Path(name) / flow
                folder.mkdir()
                theirs = scalesim(str(python), flow, folder)
                lines += _lines(f"{label}, {flow} stationary", ours(flow), theirs)
        except PeerError as error:
            reasons.append(f"SCALE-Sim is left out: {error}.")
        try:
            python = pythons["zigzag"]
            label = f"ZigZag {version(python, 'zigzag-dse')}, weight stationary"
            lines += _lines(label, ours(Dataflow.WEIGHT), zigzag(str(python), Path(name)))
        except PeerError as error:
            reasons.append(f"ZigZag is left out: {error}.")
    return "\n".join([*lines, "", *reasons]).rstrip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scalesim", help="Python of an environment with scalesim")
    parser.add_argument("--zigzag", help="Python of an environment with zigzag-dse and six")
    parser.add_argument("--page", type=Path, help="page with the marker `peers`")
    options = parser.parse_args()
    text = table({"scalesim": options.scalesim, "zigzag": options.zigzag})
    print(text)
    if options.page:
        fill_page(options.page, "peers", text)
