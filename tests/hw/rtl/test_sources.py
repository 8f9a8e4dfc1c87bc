"""The SystemVerilog as text: no warnings, ports explained, pictures that match it."""

import re
import shutil
import subprocess

import pytest

from rtl import draw
from rtl.page import PAGE
from rtl.simulator import HOW, ROOT, available, sources
from rtl.trace import read_waves

simulator = pytest.mark.skipif(not available(), reason=HOW)
verilator = pytest.mark.skipif(
    shutil.which("verilator") is None,
    reason="Verilator is missing: `apt-get install verilator` or `brew install verilator`",
)
SHARED = [ROOT / "array" / "ram.sv", ROOT / "array" / "requant.sv"]
MACHINES = {
    "conv_array": sources("array"),
    "systolic": [*SHARED, *sources("systolic")],
}
machines = pytest.mark.parametrize("top", MACHINES)
MODULES = [file for file in sources("array") + sources("systolic") if "types" not in file.name]
modules = pytest.mark.parametrize("file", MODULES, ids=lambda file: file.stem)
# A sensitivity that Icarus widens on its own; it changes no result.
HARMLESS = "sorry: constant selects in always_* processes"
# Fields of the layer that a module does not need, and outputs of a walker that nobody reads;
# chains along one vector, which are no loops.
QUIET = ("-Wno-UNUSEDSIGNAL", "-Wno-PINCONNECTEMPTY", "-Wno-UNOPTFLAT")


def complaints(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    return [line for line in done.stderr.splitlines() if HARMLESS not in line]


@simulator
@machines
def test_icarus_has_nothing_to_warn_of(top, tmp_path):
    out = str(tmp_path / "lint.vvp")
    command = ["iverilog", "-Wall", "-g2012", "-s", top, "-o", out]
    assert complaints([*command, *map(str, MACHINES[top])]) == []


@verilator
@machines
def test_verilator_has_nothing_to_warn_of(top):
    command = ["verilator", "--lint-only", "-Wall", *QUIET, "--top-module", top]
    assert complaints([*command, *map(str, MACHINES[top])]) == []


@modules
def test_one_module_a_file_that_says_what_it_does(file):
    text = file.read_text()
    assert text.startswith("// ")
    assert re.findall(r"^module (\w+)", text, re.MULTILINE) == [file.stem]


@modules
def test_every_port_and_parameter_has_its_meaning(file):
    header = file.read_text().split("\n);")[0]
    lines = [line for line in header.splitlines() if re.match(r" +(input|output|param)", line)]
    assert lines
    assert [line for line in lines if not re.search(r"// \S", line)] == []


def test_every_module_of_the_array_is_in_the_picture():
    names = {file.stem for file in sources("array")} | {"dram_stub"}
    words = {word for block in draw.BLOCKS for word in re.findall(r"\w+", " ".join(block[:2]))}
    containers = {"conv_array", "compute_core"}
    assert names - words == containers


@simulator
@pytest.mark.parametrize("name", draw.PICTURES)
def test_pictures_are_drawn_from_the_sources_as_they_are(name):
    assert (ROOT / name).read_text() == draw.PICTURES[name](), "python -m rtl.draw"
    assert f"({name})" in PAGE.read_text()


def test_waves_are_sampled_before_the_clock_edge():
    head = "$scope module tb $end\n$var wire 1 ! a $end\n$upscope $end\n$enddefinitions $end\n"
    changes = "#0\n0!\n#5\n1!\n#15\n#20\n0!\n#25\n"
    assert read_waves(head + changes, ["tb.a"]) == {"tb.a": [0, 1, 0]}
