"""The command under a table makes its runs again, and hides nothing that was set."""

import pytest

from cgap_bench.record.configuration import Tuning
from cgap_bench.show.text.command import command_of

PLAIN = "cgap-cl run toy.toml --preset standard --methods cgap --seeds 0-1"
SOME = " --set (what was set for some of the runs)"


@pytest.fixture
def command(make_record):
    """Of runs of CGaP: seed, what was set beside the recipe, and device of each."""

    def command(*runs):
        records = []
        for seed, overrides, device in runs:
            record = make_record(seed=seed)
            told = {"overrides": tuple(overrides), "device": device}
            config = record.config.model_copy(update=told)
            records.append(record.model_copy(update={"config": config}))
        return command_of(records, "standard", ["cgap"])

    return command


@pytest.mark.parametrize(
    ("first", "second", "more"),
    [
        ([], [], ""),
        (["training.lr=0.1"], ["training.lr=0.1"] * 2, " --set training.lr=0.1"),
        (
            ["cgap.price=macs", "ewc.strength=1"],
            ["cgap.price=macs"],
            " --set cgap.price=macs" + SOME,
        ),
    ],
)
def test_names_what_all_runs_had_set(command, first, second, more):
    assert command((0, first, "cpu"), (1, second, "cpu")) == PLAIN + more


@pytest.mark.parametrize(
    ("orders", "more"), [([3, 4], " --orders 3-4"), ([3, 5], " --orders 3,5")]
)
def test_names_orders_that_each_seed_has_had(command, orders, more):
    own = "training.lr=0.1"
    runs = [(s, [f"stream.order_seed={n}", own], "cpu") for s in (0, 1) for n in orders]
    assert command(*runs) == PLAIN + more + f" --set {own}"


@pytest.mark.parametrize("pairs", [[(0, 3), (1, 4)], [(0, 3), (0, 4), (1, 4)]])
def test_orders_that_some_seeds_have_not_had_are_no_product(command, pairs):
    """The command would make more runs than there are."""
    assert command(*((s, [f"stream.order_seed={n}"], "cpu") for s, n in pairs)) == PLAIN + SOME


def test_an_order_of_some_runs_is_no_order_of_all(command):
    assert command((0, ["stream.order_seed=3"], "cpu"), (1, [], "cpu")) == PLAIN + SOME


def test_names_the_device(command):
    assert command((0, [], "cuda"), (1, [], "cuda")) == PLAIN + " --device cuda"
    hint = " --device (where some of the runs were)"
    assert command((0, [], "cuda"), (1, [], "cpu")) == PLAIN + hint


@pytest.mark.parametrize(
    ("preset", "method", "variants", "more"),
    [
        ("ten", "cgap", [""], " --variants none"),
        ("ten", "cgap", ["", "precision=bfloat16"], " --variants none"),
        ("ten", "cgap", ["", "price=latency target_price=0.038"], ""),
        ("ten", "warm", [""], ""),
        ("standard", "cgap", [""], ""),
    ],
)
def test_says_that_the_variants_of_a_preset_are_not_among_the_runs(
    make_record, preset, method, variants, more
):
    records = [make_record(method, seed=n) for n in range(len(variants))]
    for n, variant in enumerate(variants):
        told = {"benchmark": "split-cifar100", "variant": variant}
        config = records[n].config.model_copy(update=told)
        records[n] = records[n].model_copy(update={"config": config})
    rows = [f"{method} ({variant})" if variant else method for variant in variants]
    seeds = "0-1" if len(variants) > 1 else "0"
    command = f"cgap-cl run split-cifar100 --preset {preset} --methods {method} --seeds {seeds}"
    assert command_of(records, preset, rows) == command + more


@pytest.mark.parametrize(
    ("benchmark", "preset", "files", "more"),
    [
        ("toy", "standard", ["", ""], ""),
        ("toy", "standard", ["mine.toml", ""], " --tuned results/tuning/mine.toml"),
        ("toy", "standard", ["my best.toml"], " --tuned 'results/tuning/my best.toml'"),
        ("toy", "standard", ["a.toml", "b.toml"], " --tuned (where settings are from)"),
        ("split-digits", "standard", ["a.toml"], " --tuned results/tuning/a.toml"),
        ("split-digits", "suite-tuned", ["split-digits-suite.toml"], ""),  # it names it itself
    ],
)
def test_names_the_search_that_settings_are_from(make_record, benchmark, preset, files, more):
    records = [make_record(seed=n, benchmark=benchmark) for n in range(len(files))]
    for n, file in enumerate(files):
        config = records[n].config.model_copy(update={"tuning": Tuning(file=file)})
        records[n] = records[n].model_copy(update={"config": config})
    words = command_of(records, preset, ["cgap"]).partition(" --seeds ")[2]
    assert words.removeprefix("0-1").removeprefix("0") == more
