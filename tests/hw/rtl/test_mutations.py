"""A wrong constant in a machine or in the cost model is seen by the checks of other tests."""

import importlib.util
import sys

import numpy as np
import pytest

from cgap_hw.arrays import OutputStationary, output_stationary, systolic
from cgap_hw.arrays import Systolic as SystolicModel
from cgap_hw.arrays.lock_step import Tiles, steps, transfers
from rtl import prediction, simulator
from rtl import systolic as systolic_driver
from rtl.comparison import compare, disagreements, systolic_cycles
from rtl.driver import Design
from rtl.layers import Conv, Tensors, random_tensors, reference
from rtl.simulator import HOW, Job, available, run_layers
from rtl.systolic import Systolic, run_systolic

pytestmark = pytest.mark.skipif(not available(), reason=HOW)

CYCLES = "+limit=20000"  # the longest layer here takes a tenth: a machine that hangs is seen
DESIGN = Design()
MACHINE = Systolic(3, 4)

# Together they have edge tiles in every direction, every padding, strides, groups, fields of
# fewer than POY products, a starved port, shifts of 0, and sums beyond 8 bits.
LAYERS = (
    (Conv(3, 8, 6, 7, 3, 3, 1, 1, 1, 1), Tiles(4, 4), 4.0),
    (Conv(4, 6, 9, 9, 3, 2, 2, 2, 1, 0), Tiles(4, 4, rows_outer=False), 4.0),
    (Conv(6, 6, 5, 5, 1, 1, groups=6), Tiles(4, 4), 8.0),
    (Conv(4, 10, 5, 6, 3, 3, 1, 1, 1, 1, groups=2), Tiles(5, 1), 4.0),
    (Conv.linear(30, 9), Tiles(1, 4), 2.0),
    (Conv(5, 9, 4, 5, 1, 3, 1, 1, 0, 1), Tiles(4, 4, rows_outer=False), 0.5),
)
ARRAY = {
    "kernel column": ("tile_loop", "kx == cfg.k_w - 16'd1", "kx == cfg.k_w"),
    "kernel row": ("tile_loop", "ky == cfg.k_h - 16'd1", "ky == cfg.k_h"),
    "input channel": ("tile_loop", "c == cfg.if_g - 16'd1", "c == cfg.if_g - 16'd2"),
    "column group": ("tile_loop", "oxg == cfg.n_oxg - 16'd1", "oxg == cfg.n_oxg"),
    "row group": ("tile_loop", "rows <= 16'(POY)", "rows <= 16'(POY + 1)"),
    "channel block": ("tile_loop", "of_left <= 16'(POF)", "of_left <= 16'(POF + 1)"),
    "group": ("tile_loop", "group == tile.groups - 16'd1", "group == tile.groups"),
    "shortest pass": ("tile_loop", "POY > 1 ? POY - 1", "POY > 1 ? POY"),
    "row tiles": ("tile_sequencer", "wraps  = rows_left <=", "wraps  = rows_left <"),
    "channel tiles": ("tile_sequencer", "units_left <= cfg.tile_units;", "1'b1;"),
    "one row tile": ("tile_sequencer", "cfg.out_h <= cfg.tile_oy", "cfg.out_h < cfg.tile_oy"),
    "padding on the right": ("pixel_router", "< {2'b0, in_w}", "<= {2'b0, in_w}"),
    "padding below": ("pixel_router", "< {2'b0, in_h}", "<= {2'b0, in_h}"),
    "padding on the left": ("tile_loop", "({2'b0, cfg.pad_w})", "(18'(cfg.pad_w - 1))"),
    "input rows": ("row_walker", "rows_left == 16'd1", "rows_left == 16'd2"),
    "row bank": ("row_walker", "bank == 8'(POY - 1) ?", "bank == 8'(POY) ?"),
    "column phase": ("pixel_scatter", "beats == s_w - 3'd1", "beats == s_w"),
    "bank of the window": ("input_buffer", "8'(i) < row_bank", "8'(i) <= row_bank"),
    "weights": ("weight_loader", "k == cfg.k_words - 16'd1", "k == cfg.k_words - 16'd2"),
    "rows leaving": ("drain", "age == 8'(POY - 1)", "age == 8'(POY - 2)"),
    "rows stored": ("output_store", "rows_left == 16'd1", "rows_left == 16'd2"),
    "lane stored": ("output_store", "lane == 8'(POF - 1)", "lane == 8'(POF)"),
    "rounding": ("requant", "shift - 6'd1", "shift"),
    "saturation above": ("requant", "2 ** (DW - 1) - 1", "2 ** (DW - 1) - 2"),
    "saturation below": ("requant", "LEAST = -MOST - 1", "LEAST = -MOST"),
}  # fmt: skip
SYSTOLIC = {
    "weights loaded": ("ws_control", "count == 16'(R - 1)", "count == 16'(R)"),
    "pixels": ("ws_control", "n_pixels - 16'd1", "n_pixels"),
    "wait": ("ws_control", "DRAIN = R + C - 2", "DRAIN = R + C - 1"),
    "field folds": ("ws_control", "k_fold == k_folds - 16'd1", "k_fold == k_folds"),
    "channel folds": ("ws_control", "f_fold == f_folds - 16'd1", "f_fold == f_folds"),
    "first fold": ("ws_control", "k_fold == 0", "k_fold == 1"),
    "tag": ("systolic", "tag_down[(R-1)*TW+:TW]", "tag_down[(R-2)*TW+:TW]"),
}
MODEL = {
    "column groups": (output_stationary, "(t.ox, self.pox)", "(t.ox + 1, self.pox)"),
    "row groups": (output_stationary, "(t.oy, self.poy)", "(t.oy - 1, self.poy)"),
    "channel blocks": (output_stationary, "t.groups, self.pof)", "t.groups + 1, self.pof)"),
    "shortest pass": (output_stationary, "self.poy if self", "self.poy + 1 if self"),
    "rows of a tile": (steps, "ceil_div(row.rows, m.poy)", "ceil_div(row.rows + 1, m.poy)"),
    "field": (steps, "max(s.depth, m.poy)\n", "max(s.depth, m.poy + 1)\n"),
    "rows read": (transfers, "(rows - 1) * s.sy + s.ky", "rows * s.sy + s.ky"),
    "weights read": (transfers, "= full * beat", "= (full + 1) * beat"),
}  # fmt: skip


def jobs():
    rng, found = np.random.default_rng(0), []
    for layer, tiles, rate in LAYERS:
        drawn = random_tensors(rng, layer)
        shift = drawn.shift.copy()
        shift[0] = 0
        operands = Tensors(drawn.pixels, drawn.weights, drawn.bias, shift, drawn.relu)
        found.append(Job(layer, operands, tiles, bytes_per_cycle=rate))
    return found


def array_agrees(folder, build):
    """The check of `test_comparison`; one that hangs or leaves results out does not agree."""
    try:
        outcomes = run_layers(jobs(), DESIGN, folder, build, extra=(CYCLES,))
    except RuntimeError:
        return False
    pairs = zip(jobs(), outcomes, strict=True)
    return disagreements([compare(job, outcome, DESIGN) for job, outcome in pairs]) == []


def systolic_agrees(build):
    """The check of `test_systolic`."""
    layer = Conv(3, 7, 5, 4, 3, 2, 1, 1, 1, 0)
    operands = random_tensors(np.random.default_rng(1), layer)
    try:
        outcome = run_systolic(MACHINE, layer, operands, build)
    except RuntimeError:
        return False
    exact = np.array_equal(outcome.output, reference(layer, operands))
    return exact and outcome.compute == systolic_cycles(layer, MACHINE)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return tmp_path_factory.mktemp("build")


@pytest.fixture
def mutate(tmp_path, monkeypatch):
    """Puts a copy of the sources, with one constant changed, in the place of the sources."""

    def change(machine, file, right, wrong):
        for source in simulator.ROOT.glob("*/*.sv"):
            copy = tmp_path / source.parent.name / source.name
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(source.read_text())
        mutated = tmp_path / machine / f"{file}.sv"
        if not mutated.exists():
            mutated = tmp_path / "array" / f"{file}.sv"
        assert right in mutated.read_text()
        mutated.write_text(mutated.read_text().replace(right, wrong))
        monkeypatch.setattr(simulator, "ROOT", tmp_path)
        monkeypatch.setattr(systolic_driver, "ROOT", tmp_path)

    return change


def test_the_machines_as_they_are_agree(tmp_path, build):
    assert array_agrees(tmp_path, build)
    assert systolic_agrees(build)


@pytest.mark.parametrize("name", ARRAY)
def test_a_wrong_constant_in_the_array_is_seen(name, tmp_path, build, mutate):
    mutate("array", *ARRAY[name])
    assert not array_agrees(tmp_path / "run", build)


@pytest.mark.parametrize("name", SYSTOLIC)
def test_a_wrong_constant_in_the_systolic_machine_is_seen(name, build, mutate):
    mutate("systolic", *SYSTOLIC[name])
    assert not systolic_agrees(build)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory, build):
    return run_layers(jobs(), DESIGN, tmp_path_factory.mktemp("run"), build)


def wrong_module(monkeypatch, module, right, wrong):
    """A module of the cost model with one formula changed."""
    with open(module.__file__) as file:
        text = file.read()
    assert right in text
    spec = importlib.util.spec_from_loader(f"{module.__name__}_wrong", loader=None)
    made = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, made.__name__, made)
    exec(compile(text.replace(right, wrong), module.__file__, "exec"), made.__dict__)
    return made


@pytest.mark.parametrize("name", MODEL)
def test_a_wrong_formula_in_the_model_is_seen(name, monkeypatch, simulated):
    """The machine as it is against a model with one mistake."""
    module, right, wrong = MODEL[name]
    made = wrong_module(monkeypatch, module, right, wrong)
    if module is output_stationary:
        monkeypatch.setattr(OutputStationary, "mac_cycles", made.OutputStationary.mac_cycles)
    elif module is steps:
        monkeypatch.setattr(prediction, "timeline", made.timeline)
    else:
        monkeypatch.setattr(steps, "RowTile", made.RowTile)
        monkeypatch.setattr(steps, "weight_cycles", made.weight_cycles)
    pairs = zip(jobs(), simulated, strict=True)
    assert disagreements([compare(job, outcome, DESIGN) for job, outcome in pairs])


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("(pixels + 2 * r + c - 2)", "(pixels + 2 * r + c - 1)"),
        ("cycles = ceil_div(depth, r)", "cycles = ceil_div(depth + 1, r)"),
    ],
)
def test_a_wrong_formula_of_the_systolic_model_is_seen(right, wrong, monkeypatch, build):
    made = wrong_module(monkeypatch, systolic, right, wrong)
    monkeypatch.setattr(SystolicModel, "mac_cycles", made.Systolic.mac_cycles)
    assert not systolic_agrees(build)
