"""The command under a table makes its runs again, and hides nothing that was set."""

import pytest

from cgap_bench.show.text.command import command_of


@pytest.fixture
def records(make_record):
    """Runs of toy, each with what was set beside the recipe."""

    def make(*overrides, device="cpu"):
        made = [make_record(seed=seed) for seed in range(len(overrides))]
        return [
            r.model_copy(
                update={
                    "config": r.config.model_copy(update={"overrides": o, "device": device})
                }
            )
            for r, o in zip(made, overrides, strict=True)
        ]

    return make


PLAIN = "cgap-cl run toy.toml --preset standard --methods cgap --seeds 0-1"


@pytest.mark.parametrize(
    ("overrides", "more"),
    [
        ([(), ()], ""),
        (
            [("training.lr=0.1",), ("training.lr=0.1", "training.lr=0.1")],
            " --set training.lr=0.1",
        ),
        (
            [("cgap.price=macs", "ewc.strength=1"), ("cgap.price=macs",)],
            " --set cgap.price=macs --set (what was set for some of the runs)",
        ),
        ([("stream.order_seed=3",), ("stream.order_seed=4",)], " --orders 3-4"),
        (
            [
                ("stream.order_seed=3", "training.lr=0.1"),
                ("stream.order_seed=5", "training.lr=0.1"),
            ],
            " --orders 3,5 --set training.lr=0.1",
        ),
    ],
)
def test_names_what_all_runs_had_set(records, overrides, more):
    assert command_of(records(*overrides), "standard", ["cgap"]) == PLAIN + more


def test_an_order_of_some_runs_is_no_order_of_all(records):
    made = records(("stream.order_seed=3",), ())
    hint = " --set (what was set for some of the runs)"
    assert command_of(made, "standard", ["cgap"]) == PLAIN + hint


def test_names_the_device_of_all_runs(records):
    assert (
        command_of(records((), (), device="cuda"), "standard", ["cgap"])
        == PLAIN + " --device cuda"
    )
    both = [*records((), ()), *records((), (), device="cuda")]
    assert "--device" not in command_of(both, "standard", ["cgap"])
