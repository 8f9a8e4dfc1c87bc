"""A run that is killed again and again ends as one that is left alone, for every method."""

import dataclasses
from collections import OrderedDict

import pytest
import torch
from torch import nn

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import DATASETS, data_root
from cgap_bench.learn.method import METHODS
from cgap_bench.learn.network import NETWORKS
from cgap_bench.learn.networks.digits import digits_cnn
from cgap_bench.learn.networks.dropout import FastDropout
from cgap_bench.record.identity import run_id
from cgap_bench.record.record import AHEAD
from cgap_bench.run.experiences import Run
from cgap_bench.run.keeper import Checkpoints, Keeper

EVERYTHING = {
    "growth": {"beta": 0.5},
    "share_groups": 2,
    "score": "random",
    "newborn": "split",
}


class KilledError(Exception):
    """What ends a process in these tests."""


class Mortal(Keeper):
    """Lives for so many training batches."""

    def __init__(self, setting, identity, tell, lifetime):
        super().__init__(setting, identity, tell)
        self.lifetime = lifetime

    def before_batch(self, strategy):
        super().before_batch(strategy)
        if self.lifetime == 0:
            raise KilledError
        self.lifetime -= 1


class Life:
    """Runs a configuration in as many lives as it takes.

    Args:
        config: What to run.
        reference: What it is sized by.
        output: Folder of the checkpoints.
    """

    def __init__(self, config, reference, output):
        self.config, self.output = config, output
        self.reference = reference if METHODS[config.method].sized_by_cgap else None
        self.lines = []

    def undisturbed(self):
        run = Run(self.config, data_root(), self.reference)
        while run.next_experience < run.n_experiences:
            run.step()
        return run

    def one(self, lifetime, every_s):
        """A finished run; raises `KilledError` where its life is too short."""
        setting = Checkpoints(self.output, every_s)
        identity = run_id(self.config, self.reference and self.reference.run_id)
        keeper = Mortal(setting, identity, self.lines.append, lifetime)
        run = Run(self.config, data_root(), self.reference, watch=keeper)
        keeper.take_up(run)
        while run.next_experience < run.n_experiences:
            run.step()
            keeper.after_experience()
        return run

    def many(self, lifetime, every_s=0.0):
        """A finished run, and the number of lives before the last."""
        for n_killed in range(1000):
            try:
                return self.one(lifetime, every_s), n_killed
            except KilledError:
                pass
        pytest.fail("no progress in 1000 lives")


@pytest.fixture
def life(reference, tmp_path):
    return lambda config: Life(config, reference, tmp_path)


def assert_equal(run, other):
    """Records, and everything else that a run holds, to the last bit."""
    assert run.record() == other.record()
    for part in AHEAD:  # which records may lack
        assert getattr(run.record(), part) == getattr(other.record(), part)
    mine, theirs = run.state_dict(), other.state_dict()
    for state in (mine, theirs):
        del state["results"]  # has timings; the rest of it is in the record
    assert_same(mine, theirs, "run")


def assert_same(mine, theirs, where):
    assert type(mine) is type(theirs), where
    if isinstance(mine, dict):
        assert mine.keys() == theirs.keys(), where
        for key in mine:
            assert_same(mine[key], theirs[key], f"{where}.{key}")
    elif isinstance(mine, list | tuple):
        assert len(mine) == len(theirs), where
        for i, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            assert_same(a, b, f"{where}.{i}")
    elif isinstance(mine, torch.Tensor):
        assert torch.equal(mine, theirs), where
    else:
        assert mine == theirs, where


@pytest.mark.every_method
@pytest.mark.parametrize(
    ("name", "scenario"),
    [(name, one) for name in METHODS.names() for one in sorted(METHODS[name].scenarios)],
)
def test_killed_every_few_batches(name, scenario, tiny, life):
    """In the middle of epochs, in both experiences, in growth and in pruning."""
    lives = life(tiny(name, scenario=scenario))
    run, n_killed = lives.many(lifetime=5)
    assert n_killed >= 4
    assert len(lives.lines) == n_killed
    assert_equal(run, lives.undisturbed())


@pytest.mark.parametrize(
    ("own", "training"),
    [
        (EVERYTHING, {}),
        (EVERYTHING, {"lr_schedule": "plateau", "holdout_share": 0.2, "patience": 1}),
        ({"score": "magnitude", "inherit": "none"}, {"precision": "bfloat16"}),
        ({"score": "random"}, {"augment": "crop-flip", "memory_format": "channels-last"}),
    ],
)
def test_cgap_killed_every_three_batches(own, training, tiny, life):
    lives = life(tiny("cgap", epochs=3, own=own, **training))
    run, n_killed = lives.many(lifetime=3)
    assert n_killed > 8
    assert {"grow", "prune", "merge"} <= {entry["kind"] for entry in run.record().history}
    assert_equal(run, lives.undisturbed())


@pytest.mark.parametrize(
    "training",
    [
        {"lr_schedule": "plateau", "holdout_share": 0.2, "patience": 1},
        {"precision": "bfloat16", "augment": "crop-flip"},
    ],
)
@pytest.mark.parametrize("name", ["ewc", "warm", "hat"])
def test_other_schedules_and_precisions(name, training, tiny, life):
    lives = life(tiny(name, epochs=3, **training))
    run, _ = lives.many(lifetime=7)
    assert_equal(run, lives.undisturbed())


def test_a_warm_start_of_which_a_part_is_inherited(tiny, life):
    lives = life(tiny("shaped-warm", own={"shrink": 0.5, "perturb": 0.1}))
    run, n_killed = lives.many(lifetime=2)
    assert n_killed > 10
    assert_equal(run, lives.undisturbed())


@pytest.mark.parametrize("name", ["cgap", "packnet", "independent", "mas"])
def test_between_experiences_alone(name, tiny, life):
    """A life is long enough for one experience, not for two."""
    lives = life(tiny(name))
    run, n_killed = lives.many(lifetime=15, every_s=None)
    assert n_killed == 1
    assert lives.lines == ["goes on in experience 2"]
    assert_equal(run, lives.undisturbed())


def test_dropout_draws_on_where_it_was(tiny, life, monkeypatch):
    """From the global generator."""

    def with_dropout(settings, shape, n_outputs):
        *body, (_, head) = digits_cnn(settings, shape, n_outputs).named_children()
        layers = [*body, ("dropout", FastDropout(0.5)), ("head", head)]
        return nn.Sequential(OrderedDict(layers))

    monkeypatch.setitem(NETWORKS._entries, "digits-cnn", with_dropout)
    lives = life(tiny("fixed"))
    run, _ = lives.many(lifetime=5)
    assert_equal(run, lives.undisturbed())


def test_what_was_spent_is_reported_and_counted_over_all_lives(tiny, life):
    lives = life(tiny("fixed"))
    run, n_killed = lives.many(lifetime=5)
    spent = run.record().timings["checkpoints"]
    assert spent["resumed"] == n_killed
    assert spent["n"] >= 24  # before each batch, and between the experiences
    assert spent["largest_bytes"] > 10_000
    assert spent["write_s"] > 0
    assert run.n_images == 4 * 95
    assert len(run.record().timings["train_s"]) == 2


def test_a_run_that_begins_anew_uses_nothing_of_earlier_lives(tiny, life, tmp_path):
    lives = life(tiny("fixed"))
    with pytest.raises(KilledError):
        lives.one(lifetime=8, every_s=0.0)
    keeper = Keeper(Checkpoints(tmp_path, anew=True), run_id(lives.config), lives.lines.append)
    run = Run(lives.config, data_root(), watch=keeper)
    keeper.take_up(run)
    assert run.n_images == 0
    assert not lives.lines
    assert not list((tmp_path / "unfinished").iterdir())


def test_a_disk_that_is_full_costs_the_checkpoint_not_the_run(tiny, life, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cgap_bench.run.checkpoints.write_atomically", full)
    lives = life(tiny("fixed"))
    run = lives.one(lifetime=1000, every_s=None)
    assert lives.lines == ["no checkpoint: No space left on device; the run goes on without"]
    assert run.record().timings["checkpoints"]["n"] == 0


def test_other_data_are_told(tiny, life, monkeypatch):
    lives = life(tiny("fixed"))
    with pytest.raises(KilledError):
        lives.one(lifetime=8, every_s=0.0)
    read = DATASETS["digits"].load

    def replaced(root):
        data = read(root)
        data.train_images[7, 0, 3, 3] += 1
        return data

    changed = dataclasses.replace(DATASETS["digits"], load=replaced)
    monkeypatch.setitem(DATASETS._entries, "digits", changed)
    with pytest.raises(UsageError, match="not those that the run began with"):
        lives.one(lifetime=1000, every_s=0.0)
    monkeypatch.undo()
    assert_equal(lives.one(lifetime=1000, every_s=0.0), lives.undisturbed())


def test_data_that_cannot_be_read_are_told_in_a_line(tiny, monkeypatch):
    def torn(root):
        raise EOFError("Ran out of input")

    changed = dataclasses.replace(DATASETS["digits"], load=torn)
    monkeypatch.setitem(DATASETS._entries, "digits", changed)
    with pytest.raises(UsageError, match="cannot read the data of digits: Ran out of input"):
        Run(tiny("fixed"), data_root())
