"""Penalties as methods: plain where they are weak, remembering where they are strong."""

import pytest

from cgap_bench.record.identity import run_id

STRONG = {"ewc": 1e10, "ewc-online": 1e10, "si": 100.0, "mas": 0.1}


@pytest.mark.parametrize("name", STRONG)
def test_it_remembers_more_when_it_is_strong_and_is_plain_when_it_is_weak(
    name, records, tiny, run
):
    weak = run(tiny(name, own={"strength": 1e-12}))
    assert weak.accuracy == records["fixed"].accuracy
    plain, held = (
        run(tiny(name, epochs=8, own={"strength": strength})).accuracy[1][0]
        for strength in (1e-12, STRONG[name])
    )
    assert held > plain + 0.1


@pytest.mark.parametrize("name", ["ewc-shaped", "ewc-online-shaped"])
def test_shape_is_that_of_the_last_task_of_cgap(records, name, reference):
    (layers,) = records[name].networks.values()
    dense = [layer for layer in layers if layer["kind"] in ("conv", "linear")]
    assert [layer["n_out"] for layer in dense] == [*reference.widths[-1].values(), 5]


def test_runs_from_before_there_were_more_settings_keep_their_identity(tiny):
    config = tiny("ewc")
    before = config.model_copy(update={"method_settings": {"strength": 1e9}})
    assert run_id(config) == run_id(before)
    assert run_id(tiny("ewc", own={"labels": "sampled"})) != run_id(before)
