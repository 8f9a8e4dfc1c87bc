"""What holds for every layer on every array, at fixed buffers and nothing kept on chip."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cgap_hw import LayerShape, load_board, network_cost
from cgap_hw.arrays import Dataflow, Dpu, Systolic, UnrolledChannels
from cgap_hw.boards.catalogue import load_array

MORE = {"clock_mhz": 200.0, "source": "test"}


ARRAYS = {
    "output stationary": load_board("zcu102").array,
    "flat": load_array("m32p64"),
    "dpu": Dpu(**MORE),
    "output systolic": Systolic(rows=16, columns=16, dataflow=Dataflow.OUTPUT, **MORE),
    "weight systolic": Systolic(rows=16, columns=16, dataflow=Dataflow.WEIGHT, **MORE),
    "input systolic": Systolic(rows=16, columns=16, dataflow=Dataflow.INPUT, **MORE),
    "channels": UnrolledChannels(tm=16, tn=8, **MORE),
}


BOARD = load_board("zcu102")


arrays = pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)


few = settings(max_examples=25, deadline=None, derandomize=True)


@st.composite
def convolutions(draw):
    kernel, stride = draw(st.integers(1, 5)), draw(st.integers(1, 2))
    size = draw(st.integers(kernel, 40))
    out = (size + 2 * (kernel // 2) - kernel) // stride + 1
    return LayerShape(
        name="c",
        kind="conv",
        n_in=draw(st.integers(1, 200)),
        n_out=draw(st.integers(1, 200)),
        in_h=size,
        in_w=size,
        out_h=out,
        out_w=out,
        kernel_h=kernel,
        kernel_w=kernel,
        stride_h=stride,
        stride_w=stride,
        padding_h=kernel // 2,
        padding_w=kernel // 2,
    )


linears = st.builds(
    lambda n_in, n_out: LayerShape(name="l", kind="linear", n_in=n_in, n_out=n_out),
    st.integers(1, 3000),
    st.integers(1, 3000),
)


layers = st.one_of(convolutions(), linears)


@arrays
@few
@given(layer=layers, more=st.integers(1, 70), side=st.sampled_from(["n_in", "n_out"]))
def test_wider_never_costs_less(array, layer, more, side):
    wider = layer.model_copy(update={side: getattr(layer, side) + more})
    before = network_cost([layer], BOARD, array)
    after = network_cost([wider], BOARD, array)
    assert after.latency_ms >= before.latency_ms * (1 - 1e-9)
    assert after.timing.cycles[0] >= before.timing.cycles[0]


@arrays
@few
@given(network=st.lists(layers, min_size=1, max_size=4))
def test_cost_adds_up_over_layers(array, network):
    whole = network_cost(network, BOARD, array)
    parts = [network_cost([layer], BOARD, array) for layer in network]
    calls = (len(network) - 1) * array.call_overhead_us * 1e-3
    assert whole.latency_ms + calls == pytest.approx(sum(p.latency_ms for p in parts))
    assert whole.energy_mj.mid == pytest.approx(sum(p.energy_mj.mid for p in parts))
    assert whole.dram_bytes == sum(p.dram_bytes for p in parts)


@arrays
@few
@given(layer=layers, bits=st.sampled_from([8, 16]))
def test_bounds_that_no_accelerator_beats(array, layer, bits):
    bits = 8 if isinstance(array, Dpu) else bits  # it has no others
    cost = network_cost([layer], BOARD, array, bits)
    assert cost.timing.cycles[0] >= layer.macs / array.n_macs
    touched = min((layer.out_h - 1) * layer.stride_h + layer.kernel_h, layer.in_h)
    words = layer.n_weights + layer.n_out * layer.out_h * layer.out_w
    if layer.stride_h <= layer.kernel_h:  # a longer stride skips rows
        words += layer.n_in * min(touched, layer.in_h - 2 * layer.padding_h) * layer.in_w
    assert cost.dram_bytes >= words * bits / 8


@arrays
@few
@given(layer=layers, factor=st.floats(1, 4))
def test_more_bandwidth_is_never_slower(array, layer, factor):
    wide = BOARD.dram.bandwidth_gbps
    values = {k: getattr(wide, k) * factor for k in ("low", "mid", "high")}
    dram = BOARD.dram.model_copy(update={"bandwidth_gbps": wide.model_copy(update=values)})
    faster = BOARD.model_copy(update={"dram": dram})
    before, after = (network_cost([layer], b, array).latency_ms for b in (BOARD, faster))
    assert after <= before * (1 + 1e-9)


@few
@given(layer=layers, more=st.integers(1, 70), side=st.sampled_from(["n_in", "n_out"]))
def test_wider_never_costs_less_where_streams_have_their_own_efficiency(layer, more, side):
    board = load_board("arria-10-gx1150")
    wider = layer.model_copy(update={side: getattr(layer, side) + more})
    before, after = (network_cost([one], board).latency_ms for one in (layer, wider))
    assert after >= before * (1 - 1e-9)
